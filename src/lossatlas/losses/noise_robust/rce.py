"""Cross-entropy with the prediction and the label exchanged."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class RCE(LogitLoss):
    """Reverse cross-entropy (Wang et al., 2019, arXiv:1908.06112): -sum_k p_k log [k = y].

    With the finite number A in place of log 0 it is -A (1 - p_y).
    """

    target = "class_index"

    def __init__(self, A: float = -4.0):
        super().__init__()
        self.A = in_range("A", A, "(-inf, 0)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # Summed over the other classes, 1 - p_y keeps its digits when p_y rounds to one.
        wrong = quantities.rest(logits, target)
        return -self.A * wrong
