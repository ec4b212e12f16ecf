"""The Brier score: squared distance between the softmax and the one-hot label."""

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Brier(LogitLoss):
    """Brier score (Brier, 1950): sum_k (p_k - 1[k = y])^2, summed over classes, not averaged."""

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        e_y = quantities.one_hot(target, logits.shape[1]).to(logits.dtype)
        return (torch.softmax(logits, 1) - e_y).square().sum(1)
