"""Focal loss that also looks at the best class ranked below the label."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DualFocal(LogitLoss):
    """Dual focal loss (Tao et al., 2023, arXiv:2305.13665): -(1 - p_y + p_j)^gamma log p_y.

    p_j is the largest probability strictly below p_y, 0 if there is none. Both are differentiated.
    """

    target = "class_index"

    def __init__(self, gamma: float = 5.0):
        super().__init__()
        self.gamma = in_range("gamma", gamma, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # Scores are compared, which tie exactly.
        above = logits >= logits.gather(1, target[:, None])
        s_j = logits.masked_fill(above, quantities.LOWEST).amax(1)
        odds = quantities.log_odds(logits, target)
        log_p_y, log_rest = F.logsigmoid(odds), F.logsigmoid(-odds)
        log_p_j = log_p_y + (s_j - quantities.of_label(logits, target))
        # Not `logaddexp`, whose second derivative is NaN where one of the two is far below.
        log_factor = torch.logsumexp(torch.stack([log_rest, log_p_j]), 0)
        return -torch.exp(self.gamma * log_factor) * log_p_y
