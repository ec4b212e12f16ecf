"""The multiclass hinge, cut off: no sample costs more than a fixed amount."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class RampLoss(LogitLoss):
    """Multiclass ramp loss (Wu & Liu, 2007): min(1 - kappa, max(0, 1 - m)).

    m is the margin, s_y minus the best wrong score.
    """

    target = "class_index"

    def __init__(self, kappa: float = 0.0):
        super().__init__()
        self.kappa = in_range("kappa", kappa, "(-inf, 0]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        hinge = (1 - quantities.margin(logits, target)).relu()
        return hinge.clamp(max=1 - self.kappa)
