"""The square of the multiclass hinge that looks at the best wrong class only."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CrammerSingerSquaredHinge(LogitLoss):
    """Squared multiclass hinge: max(0, 1 - (s_y - max_{j != y} s_j))^2.

    The hinge is that of Crammer & Singer (2001); the square is taken after the maximum.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        return (1 - quantities.margin(logits, target)).relu().square()
