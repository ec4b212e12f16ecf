"""Cross-entropy with a penalty on scores that lie far below the largest."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Mbls(LogitLoss):
    """Margin-based label smoothing (Liu et al., 2022, arXiv:2111.15430).

    CE(s, y) + alpha / K sum_k max(0, max_j s_j - s_k - margin), a mean over classes as in the
    official code, to which the alpha of 0.1 belongs; its docstring writes the sum. At a kink the
    penalty's gradient is zero; tied largest scores share it.
    """

    target = "class_index"

    def __init__(self, margin: float = 10.0, alpha: float = 0.1):
        super().__init__()
        self.margin = in_range("margin", margin, "[0, inf)")
        self.alpha = in_range("alpha", alpha, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        distances = logits.amax(1, keepdim=True) - logits
        penalty = (distances - self.margin).relu().mean(1)
        return F.cross_entropy(logits, target, reduction="none") + self.alpha * penalty
