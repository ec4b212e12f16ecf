"""Minus the log-likelihood of a set of candidate labels."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CcPartial(LogitLoss):
    """Classifier-consistent partial-label loss (Feng et al., 2020, arXiv:2007.08929).

    -log sum_{j in S} p_j, S the set of candidates, one of which is right.
    """

    target = "label_set"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and candidate sets (N, K) bool."""
        return -F.logsigmoid(quantities.log_odds(logits, target))
