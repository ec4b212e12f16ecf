"""Cross-entropy whose steep part is replaced by its tangent."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class PHuberCE(LogitLoss):
    """Partially Huberised cross-entropy (Menon et al., ICLR 2020), eq. 12.

    -log p_y where p_y > 1 / tau, and its tangent at 1 / tau, -tau p_y + log tau + 1, below.
    """

    target = "class_index"

    def __init__(self, tau: float = 2.0):
        super().__init__()
        self.tau = in_range("tau", tau, "[1, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p_y = quantities.of_label(torch.log_softmax(logits, 1), target)
        over = self.tau * log_p_y.exp()
        return torch.where(over > 1, -log_p_y, 1 - over + math.log(self.tau))
