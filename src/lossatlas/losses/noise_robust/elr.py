"""Cross-entropy with a reward for predictions that agree with their own running mean."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Elr(LogitLoss):
    """Early-learning regularisation (Liu et al., 2020, arXiv:2007.00151).

    CE(s, y) + lam log(1 - <t, p>), where t, a memory of each training sample, is
    beta t + (1 - beta) p / sum p, moved before it is used and without gradient. As in the official
    code p is clipped to [clamp, 1 - clamp] where it meets t, and not in the cross-entropy. In eval
    mode the memory stands still. An index must not come twice in a training batch.
    """

    target = "class_index"
    gradient = "the memory t, which holds 1 - beta of the current prediction"
    memory: Tensor

    def __init__(self, beta: float = 0.7, lam: float = 3.0, clamp: float = 1e-4):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, 1)")
        self.lam = in_range("lam", lam, "[0, inf)")
        self.clamp = in_range("clamp", clamp, "[0, 0.5)")

    def setup(self, *, num_samples: int, num_classes: int) -> None:
        """Makes the memory, (num_samples, num_classes), zeros at the start."""
        self.register_buffer("memory", torch.zeros(num_samples, num_classes))

    def per_sample(self, logits: Tensor, target: Tensor, *, indices: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and samples' numbers (N,) int64."""
        log_p = torch.log_softmax(logits, 1)
        if self.training:
            self._move(log_p.detach(), indices)
        t = self.memory[indices]
        if self.clamp == 0:
            apart = torch.logsumexp(log_p + torch.log1p(-t).to(log_p), 1)
        else:
            # sum_k t_k (1 - p_k) + 1 - sum_k t_k: where p and t agree, 1 - <t, p> would cancel.
            others = (-torch.expm1(log_p)).clamp(self.clamp, 1 - self.clamp)
            rest = (1 - t.sum(1)).clamp(min=0)
            apart = ((t.to(log_p) * others).sum(1) + rest.to(log_p)).log()
        return self.lam * apart - quantities.of_label(log_p, target)

    @torch.no_grad()
    def _move(self, log_p: Tensor, indices: Tensor) -> None:
        p = log_p.exp().clamp(self.clamp, 1 - self.clamp).to(self.memory)
        share = p / p.sum(1, keepdim=True)
        self.memory[indices] = self.beta * self.memory[indices] + (1 - self.beta) * share
