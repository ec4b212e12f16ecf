"""Poly-1: cross-entropy whose series in 1 - p_y has another first coefficient."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Poly1CrossEntropy(LogitLoss):
    """Poly-1 (Leng et al., 2022, arXiv:2204.12511): -log p_y + epsilon_1 (1 - p_y)."""

    target = "class_index"

    def __init__(self, epsilon_1: float = 2.0):
        super().__init__()
        self.epsilon_1 = in_range("epsilon_1", epsilon_1, "[-1, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p_y = quantities.of_label(torch.log_softmax(logits, 1), target)
        # 1 - p_y as -expm1(log p_y): with epsilon_1 = -1 the two terms nearly cancel at p_y = 1.
        return -log_p_y - self.epsilon_1 * torch.expm1(log_p_y)
