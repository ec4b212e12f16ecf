"""The supervised contrastive loss, with the sum over positives outside the logarithm."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import EmbeddingLoss
from lossatlas.losses.quantities import unit
from lossatlas.losses.registry import register


@register
class SupConOut(EmbeddingLoss):
    """SupCon, L_out (Khosla et al., NeurIPS 2020, arXiv:2004.11362), eq. 2.

    Each of the 2N views has to pick out every other view of its class among the 2N - 1 others, by
    cosine similarity; its value is the mean over those positives. A zero vector has cosine 0 with
    every other.
    """

    target = "two_view_labelled"

    def __init__(self, temperature: float = 0.1):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")

    def per_sample(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Values (2N,), view 1 then view 2, for embeddings (2, N, D) and labels (N,) int64."""
        z = unit(embeddings.flatten(0, 1))
        anchors = torch.arange(len(z), device=z.device)
        itself = anchors[:, None] == anchors
        y = labels.repeat(2)
        positive = (y[:, None] == y) & ~itself  # each anchor has its own other view at least
        logits = (z @ z.T / self.temperature).masked_fill(itself, float("-inf"))
        log_p = torch.log_softmax(logits, 1)
        return -torch.where(positive, log_p, 0.0).sum(1) / positive.sum(1)
