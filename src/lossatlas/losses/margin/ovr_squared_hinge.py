"""One squared hinge per class: this class against the rest."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class OvrSquaredHinge(LogitLoss):
    """One-vs-rest squared hinge: max(0, 1 - s_y)^2 + sum_{j != y} max(0, 1 + s_j)^2.

    One-vs-rest as in Rifkin & Klautau (2004), with the squared hinge (L2-SVM).
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        wrong = quantities.with_label(1 + logits, target, 0).relu().square().sum(1)
        return (1 - quantities.of_label(logits, target)).relu().square() + wrong
