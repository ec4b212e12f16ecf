"""A hinge for the top-k error: the k largest violations, each clipped at zero, in the mean."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class TopkHingeBeta(LogitLoss):
    """Top-k hinge, beta version (Lapin, Hein & Schiele, 2015, arXiv:1511.06683).

    (1/k) sum_{j <= k} max(0, a_[j]), with the violations a_j = 1 + s_j - s_y of the wrong
    classes sorted from the largest. Where there are fewer than k of them, all count.
    """

    target = "class_index"

    def __init__(self, top_k: float = 2.0):
        super().__init__()
        self.top_k = int(in_range("top_k", top_k, "whole [1, inf)"))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        rivals = quantities.rivals(logits, target, self.top_k)
        violations = 1 + (rivals - logits.gather(1, target[:, None]))
        return violations.relu().mean(1)
