"""A decaying exponential of the label's probability."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AEL(LogitLoss):
    """Asymmetric exponential loss (Zhou et al., 2021, arXiv:2106.03110): exp(-p_y / a)."""

    target = "class_index"

    def __init__(self, a: float = 2.5):
        super().__init__()
        self.a = in_range("a", a, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        p_y = quantities.of_label(torch.softmax(logits, 1), target)
        return torch.exp(-p_y / self.a)
