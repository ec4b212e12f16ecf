"""Focal loss on the softmax."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Focal(LogitLoss):
    """Focal loss (Lin et al., 2017, arXiv:1708.02002): -alpha_y (1 - p_y)^gamma log p_y.

    On the softmax, as Mukhoti et al. (2020) have it; the factor (1 - p_y)^gamma is differentiated.
    """

    target = "class_index"

    def __init__(self, gamma: float = 2.0, alpha_y: float = 1.0):
        super().__init__()
        self.gamma = in_range("gamma", gamma, "[0, inf)")
        self.alpha_y = in_range("alpha_y", alpha_y, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        odds = quantities.log_odds(logits, target)
        # (1 - p_y)^gamma = exp(gamma log(1 - p_y)), of finite slope where p_y rounds to one.
        factor = torch.exp(self.gamma * F.logsigmoid(-odds))
        return -self.alpha_y * factor * F.logsigmoid(odds)
