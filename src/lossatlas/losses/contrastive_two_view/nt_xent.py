"""NT-Xent, the contrastive loss of SimCLR."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import EmbeddingLoss
from lossatlas.losses.quantities import unit
from lossatlas.losses.registry import register


@register
class NTXent(EmbeddingLoss):
    """Normalised temperature-scaled cross-entropy (Chen et al., 2020, arXiv:2002.05709), eq. 1.

    Each of the 2N views has to pick out the other view of its image among the 2N - 1 others, by
    cosine similarity. A zero vector has cosine 0 with every other. Labels are ignored.
    """

    target = "two_view"

    def __init__(self, temperature: float = 0.5):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")

    def per_sample(self, embeddings: Tensor, labels: Tensor | None) -> Tensor:
        """One value per anchor, (2N,) in the order [view 1; view 2], for embeddings (2, N, D)."""
        z = unit(embeddings.flatten(0, 1))
        anchors = torch.arange(len(z), device=z.device)
        itself = anchors[:, None] == anchors
        logits = (z @ z.T / self.temperature).masked_fill(itself, float("-inf"))
        return F.cross_entropy(logits, anchors.roll(embeddings.shape[1]), reduction="none")
