"""The multiclass hinge for a label that is a set of acceptable classes."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SetMarginHinge(LogitLoss):
    """Set-valued hinge (Nguyen & Caruana, 2008): max(0, 1 - (max_{K+} s_j - max_{not K+} s_j)).

    K+ is the set of acceptable classes; one of them has to win, no matter which.
    """

    target = "label_set"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and label sets (N, K) bool."""
        return (1 - quantities.margin(logits, target)).relu()
