"""Generalised cross-entropy, shifted so that a wrong label cannot outweigh the right one."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AGCE(LogitLoss):
    """Asymmetric generalised cross-entropy (Zhou et al., 2021, arXiv:2106.03110).

    ((a + 1)^q - (a + p_y)^q) / q.
    """

    target = "class_index"

    def __init__(self, a: float = 0.6, q: float = 0.6):
        super().__init__()
        self.a = in_range("a", a, "[0, 100]")
        self.q = in_range("q", q, "(0, 10]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p_y = quantities.of_label(torch.log_softmax(logits, 1), target)
        wrong = quantities.rest(logits, target)
        # log((a + p) / (a + 1)) in two ways: by the mass of the other classes, exact while that is
        # small, and by the logarithms of a and p, finite where a = 0 and p underflows.
        drop = wrong / (self.a + 1)
        log_a = torch.full_like(log_p_y, math.log(self.a) if self.a > 0 else float("-inf"))
        ratio = torch.where(
            drop < 0.5,
            torch.log1p(-drop.clamp(max=0.5)),
            # Not logaddexp, whose second derivative is NaN where p is far below a.
            torch.stack([log_a, log_p_y]).logsumexp(0) - math.log1p(self.a),
        )
        return -((self.a + 1) ** self.q) * torch.expm1(self.q * ratio) / self.q
