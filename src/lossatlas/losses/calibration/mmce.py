"""Cross-entropy plus a kernel estimate of how far confidence is from accuracy."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
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
        r, gap = quantities.confidence_gap(logits, target)
        error = kernel_norm(gap / len(gap), r, self.width) ** self.power
        return F.cross_entropy(logits, target) + self.lam * error


def kernel_norm(weights: Tensor, r: Tensor, width: float) -> Tensor:
    """The norm () of sum_i w_i k(r_i, .), k(r, r') = exp(-|r - r'| / width); slope 0 where it is 0.

    Weights w and points r are (N,).
    """
    kernel = (-(r[:, None] - r).abs() / width).exp()
    square = (weights[:, None] * weights * kernel).sum()
    return quantities.root(square)
