"""Weighted scores of the candidates, and of what is no candidate."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Lws(LogitLoss):
    """Leveraged weighted loss (Wen et al., ICML 2021, arXiv:2106.05731).

    sum_{j in S} w_j psi(s_j) + beta sum_{j not in S} w_j psi(-s_j), S the candidates. With `log` =
    0 psi(z) = 1 / (1 + e^z); with 1, LWC, the terms are -log p_j and -log(1 - p_j). w, a memory of
    each training sample, is 1 / K at first; after use it becomes p, scaled to sum 1 in S and in its
    complement. In eval mode it stands still. An index must not come twice in a training batch.
    """

    target = "label_set"
    memory: Tensor

    def __init__(self, beta: float = 1.0, log: float = 0.0):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, inf)")
        self.log = in_range("log", log, "whole [0, 1]")

    def setup(self, *, num_samples: int, num_classes: int) -> None:
        """Makes the memory w, (num_samples, num_classes)."""
        self.register_buffer("memory", torch.full((num_samples, num_classes), 1 / num_classes))

    def per_sample(self, logits: Tensor, target: Tensor, *, indices: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), candidates (N, K) bool, samples' numbers (N,) int64."""
        w = self.memory[indices].to(logits)
        if self.training:
            with torch.no_grad():
                lowest = float("-inf")
                inside = torch.softmax(logits.masked_fill(~target, lowest), 1)
                outside = torch.softmax(logits.masked_fill(target, lowest), 1)
                self.memory[indices] = (inside + outside).to(self.memory)
        if self.log:
            log_p = torch.log_softmax(logits, 1)
            cost = torch.where(target, -log_p, -self.beta * quantities.log_miss(log_p))
        else:
            cost = torch.where(target, (-logits).sigmoid(), self.beta * logits.sigmoid())
        return (w * cost).sum(1)
