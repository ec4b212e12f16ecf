"""The multiclass hinge with its maximum smoothed by a temperature."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SmoothTop1Svm(LogitLoss):
    """Smooth multiclass SVM (Berrada, Zisserman & Kumar, 2018, arXiv:1802.07595).

    T log sum_j exp((s_j + margin [j != y] - s_y) / T), with T the temperature.
    """

    target = "class_index"

    def __init__(self, temperature: float = 1.0, margin: float = 1.0):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        ahead = (quantities.lead(logits, target) + self.margin) / self.temperature
        return self.temperature * quantities.cross_entropy_of_rivals(ahead, target)
