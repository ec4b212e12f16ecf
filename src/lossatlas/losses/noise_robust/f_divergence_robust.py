"""A divergence between images with their labels and images with the labels of others."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.noise_robust.peer_loss import strangers
from lossatlas.losses.registry import register


@register
class FDivergenceRobust(LogitLoss):
    """Optimised f-divergence (Wei & Liu, ICLR 2021, arXiv:2011.03687), over a batch.

    Minus the mean of g(p_{i, y_i}) plus the mean of f*(g(p_{a, y_b})), where (a, b) are two
    different samples of the batch, drawn uniformly. `divergence` is 0 total variation, 1 KL,
    2 Pearson, 3 Jensen-Shannon, 4 Jeffrey (f* to third order). In the first `warmup` epochs it is
    cross-entropy.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, divergence: float = 0.0, warmup: float = 0.0):
        super().__init__()
        self.divergence = int(in_range("divergence", divergence, "whole [0, 4]"))
        self.warmup = in_range("warmup", warmup, "[0, inf)")

    def per_sample(
        self, logits: Tensor, target: Tensor, *, epoch: int, randomness: torch.Generator
    ) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        if epoch < self.warmup:
            return F.cross_entropy(logits, target)
        a, b = strangers(len(target), randomness)
        p = torch.softmax(logits, 1)
        own, theirs = p.gather(1, target[:, None]), p[a].gather(1, target[b][:, None])
        gain, price = PAIRS[self.divergence]
        return price(theirs).mean() - gain(own).mean()


def _half_tanh(p: Tensor) -> Tensor:
    return p.tanh() / 2


def _itself(p: Tensor) -> Tensor:
    return p


def _js_gain(p: Tensor) -> Tensor:
    return math.log(2) - F.softplus(-p)


def _js_price(p: Tensor) -> Tensor:
    return F.softplus(p) - math.log(2)


# g, and f* after g, of a probability.
PAIRS = (
    (_half_tanh, _half_tanh),
    (_itself, lambda p: torch.exp(p - 1)),
    (_itself, lambda p: p * p / 4 + p),
    (_js_gain, _js_price),
    (_itself, lambda p: p + p * p / 4 + p**3 / 16),
)
