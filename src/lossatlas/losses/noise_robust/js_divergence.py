"""The weighted Jensen-Shannon divergence between label and prediction, scaled."""

import math

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class JSDivergence(LogitLoss):
    """Jensen-Shannon loss (Englesson & Azizpour, 2021, arXiv:2105.04522).

    (w KL(e_y | m) + (1 - w) KL(p | m)) / Z with w = pi_1, m = w e_y + (1 - w) p and
    Z = -(1 - w) log(1 - w).
    """

    target = "class_index"

    def __init__(self, pi_1: float = 0.7):
        super().__init__()
        self.pi_1 = in_range("pi_1", pi_1, "(0, 1)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        odds = quantities.log_odds(logits, target)
        log_p_y, log_rest = F.logsigmoid(odds), F.logsigmoid(-odds)
        # Off the label m = (1 - w) p, so only m_y counts: w KL(e_y | m) = -w log m_y, and
        # KL(p | m) = -p_y log(m_y / p_y) - (1 - p_y) log(1 - w), with m_y / p_y = 1 + w rest / p_y.
        w = self.pi_1
        log_w, log_v = math.log(w), math.log1p(-w)
        log_m_y = log_w - F.logsigmoid(log_w - log_v - log_p_y)
        log_ratio = -F.logsigmoid(odds - log_w)
        kl = -log_p_y.exp() * log_ratio - log_rest.exp() * log_v
        return (w * log_m_y / (1 - w) - kl) / log_v
