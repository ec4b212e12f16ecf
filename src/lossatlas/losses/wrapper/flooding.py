"""Any loss, pushed up again where the mean of a batch falls below a level."""

from typing import Any

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import Loss, Wrapper
from lossatlas.losses.registry import register


@register
class Flooding(Wrapper):
    """Flooding (Ishida et al., 2020, arXiv:2002.08709): |mean - b| + b, of a batch's mean.

    Below the level b the gradient is that of the wrapped loss, turned round. Where the mean equals
    b it is 0, torch's slope of |x| at 0.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, loss: Loss | str = "cross_entropy", b: float = 0.0):
        super().__init__(loss)
        self.b = in_range("b", b, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, **moments: Any) -> Tensor:
        """One value () for logits (N, K) and targets of the wrapped loss."""
        mean = self.wrapped(logits, target, **moments).mean()
        return (mean - self.b).abs() + self.b
