"""Evidence for each class, as a Dirichlet distribution over class probabilities."""

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
        alpha_y = quantities.of_label(alpha, target)
        if self.variant == 0:
            fit = total.log() - alpha_y.log()
        elif self.variant == 1:
            fit = torch.digamma(total) - torch.digamma(alpha_y)
        else:
            p = alpha / total[:, None]
            fit = ((e_y.to(p.dtype) - p).square() + p * (1 - p) / (total[:, None] + 1)).sum(1)
        weight = self.lambda_max * min(1.0, epoch / self.anneal)
        divergence = quantities.dirichlet_divergence(alpha.masked_fill(e_y, 1))
        return (fit + weight * divergence).to(logits.dtype)
