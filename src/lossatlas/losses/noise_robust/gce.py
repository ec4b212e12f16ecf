"""Generalised cross-entropy, between cross-entropy and mean absolute error."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class GCE(LogitLoss):
    """Generalised cross-entropy (Zhang & Sabuncu, 2018, arXiv:1805.07836): (1 - p_y^q) / q."""

    target = "class_index"

    def __init__(self, q: float = 0.7):
        super().__init__()
        self.q = in_range("q", q, "(0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p_y = quantities.of_label(torch.log_softmax(logits, 1), target)
        # p^q has an infinite slope at p = 0, but as a function of log p it has none.
        return -torch.expm1(self.q * log_p_y) / self.q
