"""Squared distance of cumulative probabilities, for classes that have an order."""

import torch
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SquaredEMD(LogitLoss):
    """Squared earth mover's distance (Hou, Yu & Samaras, 2016, arXiv:1611.05916).

    sum_j (sum_{k <= j} p_k - 1[y <= j])^2: the ranked probability score.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        own = target[:, None]
        apart = torch.softmax(logits, 1).scatter_add(1, own, -torch.ones_like(own).to(logits))
        return apart.cumsum(1).square().sum(1)
