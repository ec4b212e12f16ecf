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

    By Newton's method for the norm |max(0, s - tau)|, convex in tau, from the left. There each step
    makes the product of |.| - 1 and its slope at least four times smaller (Dinkelbach's lemma),
    which begins below K^(2 / power) and ends as the error of tau; so no score needs more steps.
    """
    x = s.detach()
    tau = x.amax(1, keepdim=True) - 1
    for _ in range(math.ceil(math.log(s.shape[1] ** (2 / power) / torch.finfo(s.dtype).eps, 4))):
        tau = _nearer(x, tau, power)
    return _nearer(s, tau, power)  # whose slope in s is that of the threshold


def _nearer(s: Tensor, tau: Tensor, power: int) -> Tensor:
    """A step of Newton's method from tau (N, 1)."""
    above = (s - tau).relu_()  # in place: a step is memory, no arithmetic
    total = above.sum(1, keepdim=True)
    if power == 1:
        return tau + (total - 1) / above.sign().sum(1, keepdim=True)
    norm = torch.linalg.vector_norm(above, dim=1, keepdim=True)
    return tau + (norm - 1) * norm / total
