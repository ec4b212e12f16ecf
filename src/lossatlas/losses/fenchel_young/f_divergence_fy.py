"""Fenchel-Young losses of alpha-divergences, to a reference that may be the class prior."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.fenchel_young.entmax_loss import conjugate
from lossatlas.losses.fenchel_young.fenchel_young import negentropy
from lossatlas.losses.registry import register


@register
class FDivergenceFy(CountedLoss):
    """f-divergence generated losses (Roulet et al., 2025, arXiv:2501.18537).

    max_p {<s, p> - D(p)} + D(q) - <s, q>, with D(p) = sum_k pi_k f(p_k / pi_k) and the generator
    f(u) = (u^alpha - 1 - alpha (u - 1)) / (alpha (alpha - 1)), at alpha = 1 u log u - (u - 1). The
    reference pi is 1 for every class, or with prior = 1 the frequency of the class. The gradient is
    p - q, p being the argmax.
    """

    target = "distribution"

    def __init__(self, alpha: float = 1.5, prior: float = 0.0):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[1, 2]")
        self.prior = in_range("prior", prior, "whole [0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and rows of probabilities (N, K)."""
        q = target.to(logits.dtype)
        s = logits - logits.amax(1, keepdim=True)
        if self.prior == 0:
            return conjugate(s, self.alpha) + negentropy(q, self.alpha) - (s * q).sum(1)
        counts = self.class_counts.to(logits)
        pi = counts / counts.sum()
        divergence = (pi * _generator(q / pi, self.alpha)).sum(1)
        return conjugate(s, self.alpha, pi) + divergence - (s * q).sum(1)


def _generator(u: Tensor, alpha: float) -> Tensor:
    """f(u), as u (u^(alpha - 1) - 1) / (alpha (alpha - 1)) - (u - 1) / alpha."""
    log_u = torch.where(u > 0, u, 1.0).log()
    slope = log_u if alpha == 1 else torch.expm1((alpha - 1) * log_u) / (alpha - 1)
    return (u * slope - (u - 1)) / alpha
