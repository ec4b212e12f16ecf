"""Cross-entropy with a bonus that goes on rewarding samples that are already right."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class EncouragingLoss(LogitLoss):
    """Encouraging loss (Zhao et al., 2022, arXiv:2110.06537): -log p_y + b(p_y).

    b(p) is log(1 - p) up to p = LE; beyond, its tangent there, log(1 - LE) - (p - LE) / (1 - LE).
    """

    target = "class_index"

    def __init__(self, LE: float = 0.75):
        super().__init__()
        self.LE = in_range("LE", LE, "(0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        odds = quantities.log_odds(logits, target)
        log_p_y, bonus = F.logsigmoid(odds), F.logsigmoid(-odds)
        if self.LE < 1:
            # (p - LE) / (1 - LE) = 1 - (1 - p) / (1 - LE)
            tangent = math.log1p(-self.LE) - 1 + bonus.exp() / (1 - self.LE)
            bonus = torch.where(log_p_y > math.log(self.LE), tangent, bonus)
        return bonus - log_p_y
