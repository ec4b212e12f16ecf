"""Cross-entropy plus a kernel distance between right and wrong samples, averaged apart."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.calibration.mmce import kernel_norm
from lossatlas.losses.registry import register


@register
class MmceWeighted(LogitLoss):
    """MMCE_w (Kumar et al., ICML 2018): mean cross-entropy + lam MMCE_w, over a batch.

    MMCE_w is the distance, in the space of the kernel exp(-|r - r'| / width), between the mean of
    (1 - r) k(r, .) over samples that are right and that of r k(r, .) over those that are wrong,
    r the confidence; 0 if all are right or all wrong. averages = 1 is that; 2 divides by the number
    of right or wrong samples once more, as both public codes do.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, lam: float = 2.0, width: float = 0.4, averages: float = 1.0):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")
        self.width = in_range("width", width, "(0, inf)")
        self.averages = in_range("averages", averages, "whole [1, 2]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        r, gap = quantities.confidence_gap(logits, target)
        right = gap >= 0  # asked of the gap: where scores nearly tie the two could disagree
        m = right.sum()
        n = len(right) - m
        both = (m > 0) & (n > 0)
        size = torch.where(right, m, n).to(gap) ** self.averages
        error = kernel_norm(torch.where(both, gap / size, 0.0), r, self.width)
        return F.cross_entropy(logits, target) + self.lam * error
