"""The loss of sparsemax, the softmax-like map that can give exact zeros."""

import math

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SparsemaxLoss(LogitLoss):
    """Sparsemax loss (Martins & Astudillo, 2016, arXiv:1602.02068).

    (1 - |p|^2)/2 + <p, s> - s_y with p = max(0, s - tau), tau such that p sums to one; the gradient
    is p - e_y.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        s = logits - logits.amax(1, keepdim=True)
        tau = threshold(s)
        # The maximum over p in its dual form, min over tau of tau + |max(0, s - tau)|^2 / 2. There
        # the slope in tau is 1 - sum p = 0, so rounding of tau cannot spoil the gradient.
        conjugate = tau.squeeze(1) + ((s - tau).relu().square().sum(1) + 1) / 2
        return conjugate - quantities.of_label(s, target)


def threshold(s: Tensor, power: int = 1) -> Tensor:
    """The tau (N, 1) for which max(0, s - tau)^power, 1 or 2, sums to one, for scores s (N, K).

    By Newton's method for the norm |max(0, s - tau)|, convex in tau, from the left, with as many
    steps as any score may need.
    """
    x = s.detach()
    tau = x.amax(1, keepdim=True) - 1
    for _ in range(_steps(s.shape[1], torch.finfo(s.dtype).eps, power)):
        tau = _nearer(x, tau, power)
    return _nearer(s, tau, power)  # whose slope in s is that of the threshold


def _steps(k: int, eps: float, power: int) -> int:
    """Steps after which tau for k scores is within eps.

    Each makes the product of |.| - 1 and its slope at least four times smaller (Dinkelbach's
    lemma). It begins below k^(2 / power), and the error of tau is not above it, as the slope is at
    least one. For the power 2 the norm has a curvature of at most k: an error e leaves one of at
    most k e^2 / 2, so that from 1 / (2 k) on the number of right digits doubles.
    """
    plain = math.ceil(math.log(k ** (2 / power) / eps, 4))
    if power == 1:
        return plain
    doublings = math.ceil(math.log2(max(1.0, math.log(2 / (k * eps), 4)))) if k * eps < 2 else 0
    return min(plain, math.ceil(math.log(2 * k**2, 4)) + doublings)


def _nearer(s: Tensor, tau: Tensor, power: int) -> Tensor:
    """A step of Newton's method from tau (N, 1)."""
    above = (s - tau).relu_()  # in place: a step is memory, no arithmetic
    total = above.sum(1, keepdim=True)
    if power == 1:
        return tau + (total - 1) / above.sign().sum(1, keepdim=True)
    norm = torch.linalg.vector_norm(above, dim=1, keepdim=True)
    return tau + (norm - 1) * norm / total
