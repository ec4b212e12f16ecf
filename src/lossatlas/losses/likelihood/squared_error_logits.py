"""Least squares: the scores themselves, without a softmax, against the one-hot label."""

from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SquaredErrorLogits(LogitLoss):
    """Square loss (Hui & Belkin, 2021, arXiv:2006.07322): (1/K) sum_k (s_k - 1[k = y])^2."""

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        one = logits.new_ones(len(target), 1)
        error = logits.scatter_add(1, target[:, None], -one)
        return error.square().sum(1) / logits.shape[1]
