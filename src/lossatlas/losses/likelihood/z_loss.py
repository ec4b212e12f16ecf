"""Cross-entropy with a penalty that holds the softmax's normaliser near one."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class ZLoss(LogitLoss):
    """Auxiliary z-loss (Chowdhery et al., 2022, arXiv:2204.02311): CE(s, y) + lam LSE(s)^2.

    LSE(s) = log sum_k exp(s_k) is the log of the softmax's normaliser Z.
    """

    target = "class_index"

    def __init__(self, lam: float = 1e-4):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        label = F.cross_entropy(logits, target, reduction="none")
        return label + self.lam * quantities.logsumexp(logits).square()
