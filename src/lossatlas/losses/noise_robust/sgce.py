"""Generalised cross-entropy minus its mean over the labels."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SGCE(LogitLoss):
    """Symmetrised GCE (Lemire Paquin et al., 2026, arXiv:2605.20347): (mean_k p_k^q - p_y^q) / q.

    That is GCE(s, y) - mean_k GCE(s, k), derived from the paper's construction; its own equation
    was not seen.
    """

    target = "class_index"

    def __init__(self, q: float = 0.7):
        super().__init__()
        self.q = in_range("q", q, "(0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        powers = torch.expm1(self.q * torch.log_softmax(logits, 1))  # p^q - 1
        return (powers.mean(1) - quantities.of_label(powers, target)) / self.q
