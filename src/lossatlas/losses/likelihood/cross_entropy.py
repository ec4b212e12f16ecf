"""Softmax cross-entropy, the baseline of the atlas."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CrossEntropy(LogitLoss):
    """Softmax cross-entropy (Bridle, 1990): -log p_y = LSE(s) - s_y."""

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        return F.cross_entropy(logits, target, reduction="none")
