"""Least squares on the scores, with more weight and a farther goal for the label's."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class RescaledSquareLoss(LogitLoss):
    """Rescaled square loss (Hui & Belkin, 2021, arXiv:2006.07322).

    (1/K) (kappa (s_y - M)^2 + sum_{j != y} s_j^2); the paper's k is kappa.
    """

    target = "class_index"

    def __init__(self, kappa: float = 1.0, M: float = 1.0):
        super().__init__()
        self.kappa = in_range("kappa", kappa, "(0, inf)")
        self.M = in_range("M", M, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        label = self.kappa * (quantities.of_label(logits, target) - self.M).square()
        wrong = quantities.with_label(logits, target, 0).square().sum(1)
        return (label + wrong) / logits.shape[1]
