"""Distance of the prediction from all distributions that give the label enough."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LabelRelaxation(LogitLoss):
    """Label relaxation (Lienen & Hüllermeier, AAAI 2021), eq. 7.

    0 where p_y >= 1 - alpha, else (1 - alpha) log((1 - alpha) / p_y)
    + alpha log(alpha / (1 - p_y)), the divergence from the nearest distribution with mass 1 - alpha
    on the label.
    """

    target = "class_index"

    def __init__(self, alpha: float = 0.1):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "(0, 1)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        odds = quantities.log_odds(logits, target)
        log_p_y = F.logsigmoid(odds)
        least, spare = math.log1p(-self.alpha), math.log(self.alpha)
        label = (1 - self.alpha) * (least - log_p_y)
        others = self.alpha * (spare - F.logsigmoid(-odds))
        return torch.where(log_p_y < least, label + others, 0)
