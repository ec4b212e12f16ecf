"""The loss of 1.5-entmax, a map between softmax and sparsemax."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.fenchel_young.sparsemax_loss import threshold
from lossatlas.losses.registry import register


@register
class Entmax15Loss(LogitLoss):
    """1.5-entmax loss (Peters et al., 2019, arXiv:1905.05702).

    (1 - sum_k p_k^1.5) / 0.75 + <p, s> - s_y with p = max(0, s/2 - tau)^2, tau such that p sums to
    one; the gradient is p - e_y.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        half = (logits - logits.amax(1, keepdim=True)) / 2
        tau = threshold(half, power=2)
        # The maximum over p in its dual form, min over tau of 2 tau + 2/3 sum max(0, s/2 - tau)^3.
        # There the slope in tau is 2 - 2 sum p = 0, so rounding of tau cannot spoil the gradient.
        cubes = ((half - tau).relu() ** 3).sum(1)
        conjugate = 2 * tau.squeeze(1) + (2 * cubes + 4) / 3
        return conjugate - 2 * quantities.of_label(half, target)
