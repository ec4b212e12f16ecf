"""Mean absolute error between the softmax and the one-hot label."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class MAE(LogitLoss):
    """Mean absolute error (Ghosh et al., 2017, arXiv:1712.09482): |p - e_y|_1 = 2 (1 - p_y)."""

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # 1 - p_y as the mass of the other classes keeps its digits when p_y rounds to one.
        wrong = quantities.rest(logits, target)
        return 2 * wrong
