"""One support vector machine per class: this class against the rest."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class OvrHinge(LogitLoss):
    """One-vs-rest hinge (Rifkin & Klautau, 2004): max(0, 1 - s_y) + sum_{j != y} max(0, 1 + s_j).

    At a kink the gradient is zero.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        wrong = quantities.with_label(1 + logits, target, 0).relu().sum(1)
        return (1 - quantities.of_label(logits, target)).relu() + wrong
