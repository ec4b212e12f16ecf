"""The best score minus the label's: a Fenchel-Young loss without a regulariser."""

from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class PerceptronLoss(LogitLoss):
    """Multiclass perceptron loss (Blondel, Martins & Niculae, 2020, arXiv:1901.02324).

    max_j s_j - s_y; tied best classes share the gradient.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        return (logits.amax(1, keepdim=True) - logits.gather(1, target[:, None])).squeeze(1)
