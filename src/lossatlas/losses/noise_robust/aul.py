"""A power of the distance between the label's probability and a number above one."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AUL(LogitLoss):
    """Asymmetric unhinged loss (Zhou et al., 2021, arXiv:2106.03110): ((a-p_y)^q - (a-1)^q) / q."""

    target = "class_index"

    def __init__(self, a: float = 5.5, q: float = 3.0):
        super().__init__()
        self.a = in_range("a", a, "(1, 100]")
        self.q = in_range("q", q, "(0, 10]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # a - p_y = (a - 1) (1 + wrong / (a - 1)), which keeps its digits when p_y rounds to one.
        wrong = quantities.rest(logits, target)
        least = self.a - 1
        return least**self.q * torch.expm1(self.q * torch.log1p(wrong / least)) / self.q
