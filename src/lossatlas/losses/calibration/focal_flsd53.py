"""Focal loss whose exponent is larger for samples whose label is unlikely."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class FocalFLSD53(LogitLoss):
    """FLSD-53 (Mukhoti et al., 2020, arXiv:2002.09437): -(1 - p_y)^gamma log p_y.

    gamma is gamma_low where p_y < threshold, else gamma_high. The factor is differentiated, the
    choice of gamma cannot be.
    """

    target = "class_index"

    def __init__(self, gamma_low: float = 5.0, gamma_high: float = 3.0, threshold: float = 0.2):
        super().__init__()
        self.gamma_low = in_range("gamma_low", gamma_low, "[0, inf)")
        self.gamma_high = in_range("gamma_high", gamma_high, "[0, inf)")
        self.threshold = in_range("threshold", threshold, "(0, 0.9]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        odds = quantities.log_odds(logits, target)
        unlikely = odds < math.log(self.threshold / (1 - self.threshold))
        gamma = torch.where(unlikely, self.gamma_low, self.gamma_high).to(logits)
        return -torch.exp(gamma * F.logsigmoid(-odds)) * F.logsigmoid(odds)
