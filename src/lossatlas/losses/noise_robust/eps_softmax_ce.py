"""Cross-entropy of a softmax pushed towards its own argmax, plus mean absolute error."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class EpsSoftmaxCE(LogitLoss):
    """epsilon-softmax CE + MAE (Wang et al., 2024, arXiv:2508.02387).

    alpha (-log max(p'_y, clamp)) + beta 2 (1 - p_y) with p' = (p + m e_top) / (m + 1), where top is
    the (first) class with the largest score.
    """

    target = "class_index"

    def __init__(self, m: float = 1e5, alpha: float = 0.01, beta: float = 5.0, clamp: float = 1e-8):
        super().__init__()
        self.m = in_range("m", m, "[0, inf)")
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.beta = in_range("beta", beta, "[0, inf)")
        self.clamp = in_range("clamp", clamp, "[0, 1)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        odds = quantities.log_odds(logits, target)
        log_p_y, mae = F.logsigmoid(odds), 2 * torch.sigmoid(-odds)
        leads = logits.argmax(1) == target
        # There p'_y = 1 - (1 - p_y) / (m + 1), whose logarithm is small and keeps its digits.
        rest = torch.where(leads, mae / 2, 0.0) / (self.m + 1)
        label = torch.where(leads, torch.log1p(-rest), log_p_y - math.log1p(self.m))
        if self.clamp > 0:
            label = label.clamp(min=math.log(self.clamp))
        return self.beta * mae - self.alpha * label
