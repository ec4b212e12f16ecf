"""The multiclass hinge that is consistent: it pushes wrong scores below -1/(K-1)."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LeeLinWahbaHinge(LogitLoss):
    """Multicategory hinge (Lee, Lin & Wahba, 2004): sum_{j != y} max(0, s_j + 1/(K-1)).

    The scores have to sum to zero. Here their mean is subtracted, which makes that a property of
    the loss and not a constraint on the model.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        k = logits.shape[1]
        centred = logits - logits.mean(1, keepdim=True)
        terms = (centred + 1 / (k - 1)).relu()
        return quantities.with_label(terms, target, 0).sum(1)
