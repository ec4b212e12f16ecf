"""Evidence for each class, as a Dirichlet distribution over class probabilities."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class EvidentialLog(LogitLoss):
    """Evidential deep learning (Sensoy, Kaplan & Kandemir, 2018, arXiv:1806.01768).

    With alpha = max(0, s) + 1 and S = sum alpha: log S - log alpha_y (variant 0, eq. 3),
    psi(S) - psi(alpha_y) (1, eq. 4), or the expected squared error (2, eq. 5); plus the divergence
    of Dir(alpha with alpha_y = 1) from the flat one, weighted by lambda_max min(1, epoch / anneal).
    """

    target = "class_index"

    def __init__(self, lambda_max: float = 1.0, anneal: float = 10.0, variant: float = 0.0):
        super().__init__()
        self.lambda_max = in_range("lambda_max", lambda_max, "(0, inf)")
        self.anneal = in_range("anneal", anneal, "(0, inf)")
        self.variant = in_range("variant", variant, "whole [0, 2]")

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and the epoch, from 0."""
        e_y = quantities.one_hot(target, logits.shape[1])
        alpha = logits.double().relu() + 1
        total = alpha.sum(1)
        alpha_y = alpha.gather(1, target[:, None]).squeeze(1)
        if self.variant == 0:
            fit = total.log() - alpha_y.log()
        elif self.variant == 1:
            fit = torch.digamma(total) - torch.digamma(alpha_y)
        else:
            p = alpha / total[:, None]
            fit = ((e_y.to(p.dtype) - p).square() + p * (1 - p) / (total[:, None] + 1)).sum(1)
        weight = self.lambda_max * min(1.0, epoch / self.anneal)
        return (fit + weight * _divergence(alpha.masked_fill(e_y, 1))).to(logits.dtype)


def _divergence(alpha: Tensor) -> Tensor:
    """KL(Dir(alpha) || Dir(1)), (N,), of alpha (N, K) of at least 1."""
    k, total = alpha.shape[1], alpha.sum(1)
    slack = _slack(total) - _slack(alpha).sum(1)
    return slack + (k - 1) * torch.digamma(total) - math.lgamma(k)


def _slack(x: Tensor) -> Tensor:
    """lgamma(x) - (x - 1) psi(x) + x, without the large parts that cancel; by Stirling from 20 on.

    The x that is added drops out of the divergence, as the total is the sum of the alphas.
    """
    direct = torch.lgamma(x) - (x - 1) * torch.digamma(x) + x
    r = 1 / x
    s = r * r
    of_lgamma = r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188))))
    of_psi = s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s / 132))))
    far = x.log() / 2 + math.log(2 * math.pi) / 2 + (1 - r) / 2 + of_lgamma + (x - 1) * of_psi
    return torch.where(x < 20, direct, far)
