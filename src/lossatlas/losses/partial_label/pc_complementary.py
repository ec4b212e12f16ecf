"""Sigmoids of how far the wrong class's score lies above each other one."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class PcComplementary(LogitLoss):
    """Pairwise comparison (Ishida et al., NeurIPS 2017, arXiv:1705.07541).

    sum_{j != c} 1 / (1 + exp(s_j - s_c)), c a class that is wrong.
    """

    target = "complementary"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and wrong classes (N,)."""
        above = (-quantities.lead(logits, target)).sigmoid()
        return quantities.with_label(above, target, 0).sum(1)
