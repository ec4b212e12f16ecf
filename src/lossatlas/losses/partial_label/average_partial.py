"""Cross-entropy to equal shares of the candidate labels."""

import torch
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AveragePartial(LogitLoss):
    """Average partial-label loss (baseline of Jin & Ghahramani, 2002): mean of -log p_j over S.

    S is the set of candidates, one of which is right.
    """

    target = "label_set"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and candidate sets (N, K) bool."""
        log_p = torch.log_softmax(logits, 1)
        return -log_p.masked_fill(~target, 0).sum(1) / target.sum(1)
