"""Cross-entropy of the logits that the feature would have at a fixed length."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class T2FNorm(LogitLoss):
    """T2FNorm (Regmi et al., CVPR Workshops 2024, arXiv:2305.17797): CE(W h / (tau |h|), y).

    tau is the temperature. Its logits are those of a linear head without a bias, W h; a feature of
    zeros gets scores of 0.
    """

    target = "class_index"

    def __init__(self, temperature: float = 0.1):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, features: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and features (N, D)."""
        length = torch.linalg.vector_norm(features, dim=1, keepdim=True).to(logits)
        lead = quantities.lead(logits, target)
        unit = lead / torch.where(length > 0, length, 1.0)
        return F.cross_entropy(unit / self.temperature, target, reduction="none")
