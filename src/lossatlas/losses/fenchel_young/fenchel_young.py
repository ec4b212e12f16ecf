"""One construction for many losses: a regulariser and its conjugate."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.fenchel_young.entmax_loss import conjugate
from lossatlas.losses.registry import register


@register
class FenchelYoung(LogitLoss):
    """Fenchel-Young losses (Blondel, Martins & Niculae, 2020, arXiv:1901.02324).

    Omega*(s) + Omega(q) - <s, q>, where Omega is, by its number: 0, the Tsallis negentropy
    (sum_k p_k^alpha - 1) / (alpha (alpha - 1)) on the simplex, at alpha = 1 sum_k p_k log p_k;
    1, zero on the simplex; 2, |p|^2 / 2 on all of R^K; 3, the sum of binary negentropies
    p_k log p_k + (1 - p_k) log(1 - p_k) on the cube. The gradient is p(s) - q.
    """

    target = "distribution"

    def __init__(self, omega: float = 0.0, alpha: float = 1.0):
        super().__init__()
        self.omega = in_range("omega", omega, "whole [0, 3]")
        self.alpha = in_range("alpha", alpha, "[1, 4]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and rows of probabilities (N, K)."""
        q = target.to(logits.dtype)
        s = logits - logits.amax(1, keepdim=True)
        if self.omega == 0:
            return conjugate(s, self.alpha) + negentropy(q, self.alpha) - (s * q).sum(1)
        if self.omega == 1:
            return -(s * q).sum(1)
        if self.omega == 2:
            return (logits - q).square().sum(1) / 2
        cross = -q * F.logsigmoid(logits) - (1 - q) * F.logsigmoid(-logits)
        return (cross - torch.special.entr(q) - torch.special.entr(1 - q)).sum(1)


def negentropy(q: Tensor, alpha: float) -> Tensor:
    """(sum_k q_k^alpha - 1) / (alpha (alpha - 1)), (N,); as q sums to 1, without cancellation."""
    if alpha == 1:
        return -torch.special.entr(q).sum(1)
    grown = torch.expm1((alpha - 1) * torch.where(q > 0, q, 1.0).log())
    return (q * grown).sum(1) / (alpha * (alpha - 1))
