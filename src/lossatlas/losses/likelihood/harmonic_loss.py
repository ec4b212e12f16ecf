"""Cross-entropy of probabilities that fall with a power of the distance to class vectors."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class HarmonicLoss(LogitLoss):
    """Harmonic loss (Baek et al., TMLR 2025, arXiv:2502.01628): p_k in proportion to d_k^-n.

    d_k^2 = |h - w_k|^2 + eps, with the guard eps of the official code. Its logits are minus the
    distances |h - w_k|, whose sign does not count.
    """

    target = "class_index"
    parts = ("distance_head",)
    prototypes = "drawn"

    def __init__(self, n: float = 2.0, eps: float = 1e-4):
        super().__init__()
        self.n = in_range("n", n, "(0, inf)")
        self.eps = in_range("eps", eps, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for minus distances (N, K) and class indices (N,)."""
        log_d = torch.hypot(logits, torch.full_like(logits, math.sqrt(self.eps))).log()
        return F.cross_entropy(-self.n * log_d, target, reduction="none")
