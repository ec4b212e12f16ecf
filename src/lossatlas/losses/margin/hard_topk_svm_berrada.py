"""The label's score against the k-th best wrong one: what the smooth top-k SVM smooths."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class HardTopkSvmBerrada(LogitLoss):
    """Hard top-k SVM (Berrada, Zisserman & Kumar, 2018, arXiv:1802.07595).

    max(0, margin + (s_[k] - s_y) / k), with s_[k] the k-th largest score of the wrong classes. With
    fewer than k wrong classes, k is their number.
    """

    target = "class_index"

    def __init__(self, top_k: float = 5.0, margin: float = 1.0):
        super().__init__()
        self.top_k = int(in_range("top_k", top_k, "whole [1, inf)"))
        self.margin = in_range("margin", margin, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        rivals = quantities.rivals(logits, target, self.top_k)
        lag = rivals[:, -1] - quantities.of_label(logits, target)
        return (self.margin + lag / rivals.shape[1]).relu()
