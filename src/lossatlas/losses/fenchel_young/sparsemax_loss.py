"""The loss of sparsemax, the softmax-like map that can give exact zeros."""

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


def threshold(s: Tensor) -> Tensor:
    """The tau (N, 1) for which max(0, s - tau) sums to one, for scores s (N, K)."""
    top = s.sort(1, descending=True).values
    rank = torch.arange(1, s.shape[1] + 1, device=s.device)
    # A class has p > 0 if and only if sum_i max(0, s_i - s_k) < 1.
    inside = top.cumsum(1) - rank * top < 1
    size = inside.sum(1, keepdim=True)
    return (torch.where(inside, top, 0.0).sum(1, keepdim=True) - 1) / size
