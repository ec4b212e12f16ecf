"""Cross-entropy with a penalty on the largest score, whichever class has it."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class MaxSuppression(LogitLoss):
    """MaxSup (Zhou et al., 2025, arXiv:2502.15798), eq. 8: CE(s, y) + alpha_t (max_j s_j - mean s).

    alpha_t goes from alpha_begin to alpha_end in step with the training. Tied largest scores share
    the penalty's gradient.
    """

    target = "class_index"

    def __init__(self, alpha_begin: float = 0.1, alpha_end: float = 0.2):
        super().__init__()
        self.alpha_begin = in_range("alpha_begin", alpha_begin, "[0, inf)")
        self.alpha_end = in_range("alpha_end", alpha_end, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, progress: float) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and the share of training done."""
        alpha = self.alpha_begin + (self.alpha_end - self.alpha_begin) * progress
        label = F.cross_entropy(logits, target, reduction="none")
        return label + alpha * (logits.amax(1) - logits.mean(1))
