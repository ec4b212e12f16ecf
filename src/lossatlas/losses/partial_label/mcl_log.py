"""A bounded or logarithmic price on the mass of excluded labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class MclLog(LogitLoss):
    """Learning with multiple complementary labels (Feng et al., 2020, arXiv:1912.12927), eq. 12.

    With P the mass of the classes not excluded, c = scale (K - 1) / (number of excluded classes):
    -c log P (variant 0, LOG), c exp(-P) (1, EXP) or c (1 - P) (2, MAE).
    """

    target = "label_set"

    def __init__(self, variant: float = 0.0, scale: float = 2.0):
        super().__init__()
        self.variant = in_range("variant", variant, "whole [0, 2]")
        self.scale = in_range("scale", scale, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and the sets (N, K) bool of classes not excluded."""
        c = self.scale * (logits.shape[1] - 1) / (~target).sum(1).to(logits)
        odds = quantities.log_odds(logits, target)
        if self.variant == 0:
            return -c * F.logsigmoid(odds)
        return c * (torch.exp(-torch.sigmoid(odds)) if self.variant == 1 else torch.sigmoid(-odds))
