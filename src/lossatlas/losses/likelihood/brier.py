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
        wrong = quantities.with_label(torch.softmax(logits, 1), target, 0)
        return wrong.square().sum(1) + wrong.sum(1).square()  # 1 - p_y is the others' sum
