"""Cross-entropy with a penalty on the squared length of the logits."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LogitPenalty(LogitLoss):
    """Logit penalty (Kornblith et al., 2021, arXiv:2010.16402): CE(s, y) + (beta / 2) |s|^2."""

    target = "class_index"

    def __init__(self, beta: float = 6e-4):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        label = F.cross_entropy(logits, target, reduction="none")
        return label + self.beta / 2 * logits.square().sum(1)
