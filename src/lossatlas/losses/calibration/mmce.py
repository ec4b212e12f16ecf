"""Cross-entropy plus a kernel estimate of how far confidence is from accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Mmce(LogitLoss):
    """MMCE (Kumar et al., ICML 2018): mean cross-entropy + lam MMCE^power, over a batch.

    MMCE^2 is the mean over all pairs of (c_i - r_i)(c_j - r_j) exp(-|r_i - r_j| / width), where r
    is the largest probability and c is 1 if its class is the label's, else 0 (without gradient).
    """

    target = "class_index"
    per = "batch"

    def __init__(self, lam: float = 2.0, width: float = 0.4, power: float = 1.0):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")
        self.width = in_range("width", width, "(0, inf)")
        self.power = in_range("power", power, "[1, 2]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        log_r, guess = torch.log_softmax(logits, 1).max(1)
        r = log_r.exp()
        gap = torch.where(guess == target, -torch.expm1(log_r), -r)
        kernel = (-(r[:, None] - r).abs() / self.width).exp()
        square = (gap[:, None] * gap * kernel).mean()
        # At 0, below which rounding may lead, a root has no slope.
        error = torch.where(square > 0, square, 1.0) ** (self.power / 2) * (square > 0)
        return F.cross_entropy(logits, target) + self.lam * error
