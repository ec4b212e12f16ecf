"""The multiclass hinge that looks at the best wrong class only."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CrammerSingerHinge(LogitLoss):
    """Multiclass hinge (Crammer & Singer, 2001): max(0, margin - (s_y - max_{j != y} s_j)).

    At the kink the gradient is zero; tied wrong classes share it equally.
    """

    target = "class_index"

    def __init__(self, margin: float = 1.0):
        super().__init__()
        self.margin = in_range("margin", margin, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        return (self.margin - quantities.margin(logits, target)).relu()
