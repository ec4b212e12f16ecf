"""Minus the log-likelihood of all classes but the one that is wrong."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class NegativeLearningComplementary(LogitLoss):
    """SCL-NL (Chou et al., ICML 2020, arXiv:2007.02235), eq. 11: -log(1 - p_c), c a wrong class."""

    target = "complementary"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and wrong classes (N,)."""
        return -F.logsigmoid(-quantities.log_odds(logits, target))
