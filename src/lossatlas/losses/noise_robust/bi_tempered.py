"""Logistic loss with another logarithm and another exponential."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register

STEPS = 12  # double the digits each, from the fifth on; 8 give all of float64 for 1000 classes


@register
class BiTempered(LogitLoss):
    """Bi-tempered logistic loss (Amid et al., 2019, arXiv:1906.03361).

    -log_t1 p_y - (1 - sum_k p_k^(2 - t1)) / (2 - t1), where p_k = exp_t2(s_k - lambda), lambda is
    such that they sum to 1, log_t x = (x^(1 - t) - 1) / (1 - t) and exp_t is its inverse. The
    paper's t2 below 1, where probabilities become 0, and t1 above 1 are left out.
    """

    target = "class_index"

    def __init__(self, t1: float = 0.8, t2: float = 1.2):
        super().__init__()
        self.t1 = in_range("t1", t1, "[0, 1]")
        self.t2 = in_range("t2", t2, "[1, 2]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = _tempered_log_softmax(logits, self.t2 - 1)
        log_p_y = quantities.of_label(log_p, target)
        u = 1 - self.t1
        label = -torch.expm1(u * log_p_y) / u if u > 0 else -log_p_y
        return label - (1 - torch.exp((1 + u) * log_p).sum(1)) / (1 + u)


def _tempered_log_softmax(logits: Tensor, h: float) -> Tensor:
    """log p (N, K), where p_k = (1 + h (lambda - s_k))^(-1/h) sum to 1; h = 0 is log-softmax.

    The log of the sum is convex and decreasing in lambda, so Newton's method from the largest score
    rises to the root. Two last steps are differentiated: from the root they have its derivatives.
    """
    if h == 0:
        return torch.log_softmax(logits, 1)
    below = logits - logits.detach().amax(1, keepdim=True)
    lam = torch.zeros_like(below[:, :1])
    with torch.no_grad():
        for _ in range(STEPS):
            lam = _newton(below, lam, h)
    for _ in range(2):
        lam = _newton(below, lam, h)
    return _log_p(below, lam, h)


def _newton(s: Tensor, lam: Tensor, h: float) -> Tensor:
    log_p = _log_p(s, lam, h)
    total = log_p.logsumexp(1, keepdim=True)
    slope = torch.exp((1 + h) * log_p - total).sum(1, keepdim=True)
    return lam + total / slope


def _log_p(s: Tensor, lam: Tensor, h: float) -> Tensor:
    return -torch.log1p(h * (lam - s)) / h
