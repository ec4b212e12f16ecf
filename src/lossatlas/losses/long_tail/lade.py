"""Balanced softmax, and logits that are pulled to be log ratios of densities."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.long_tail.balanced_softmax import BalancedSoftmax
from lossatlas.losses.registry import register


@register
class Lade(BalancedSoftmax):
    """LADE (Hong et al., 2021, arXiv:2012.00321): balanced softmax + alpha times a penalty.

    The penalty of a batch is sum_c pi_c (-mean of s_c over the samples of class c + G_c +
    lam G_c^2), G_c = log mean_i exp(s_c(x_i) - log pi_c - log K) over all samples; pi_c is the
    share of class c in training. The first mean is 0 for a class that the batch lacks.
    """

    per = "batch"

    def __init__(self, alpha: float = 0.1, lam: float = 0.01):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        n, k = logits.shape
        prior = self.class_counts / self.class_counts.sum()
        scores = quantities.of_label(logits, target)
        none = torch.zeros(k, dtype=scores.dtype, device=target.device)
        counts = none.index_add(0, target, torch.ones_like(scores))
        own = none.index_add(0, target, scores) / counts.clamp(min=1)
        shift = prior.log() + math.log(k) + math.log(n)
        g = torch.logsumexp(logits, 0) - shift.to(logits)
        penalty = (prior.to(logits) * (g - own + self.lam * g**2)).sum()
        return super().per_sample(logits, target).mean() + self.alpha * penalty
