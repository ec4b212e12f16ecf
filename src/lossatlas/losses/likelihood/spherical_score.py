"""The spherical scoring rule: the label's probability over the length of the prediction."""

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SphericalScore(LogitLoss):
    """Spherical scoring rule (Gneiting & Raftery, JASA 2007), as a loss: -p_y / |p|_2.

    By logits it is -exp(s_y - LSE(2 s) / 2), where no square can underflow.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        log_length = torch.logsumexp(2 * log_p, 1) / 2
        return -torch.exp(quantities.of_label(log_p, target) - log_length)
