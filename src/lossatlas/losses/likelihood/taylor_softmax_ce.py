"""Cross-entropy of a softmax whose exponential is cut off after some even order."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class TaylorSoftmaxCE(LogitLoss):
    """Taylor softmax (de Brébisson & Vincent, 2016, arXiv:1511.05042): -log(f(s_y) / sum_k f(s_k)).

    f(x) = sum_{i=0}^n x^i / i! is positive everywhere if the order n is even.

    Raises:
        ValueError: the order is no even whole number in its range.
    """

    target = "class_index"

    def __init__(self, order: float = 2.0):
        super().__init__()
        self.order = int(in_range("order", order, "whole [2, 22]"))
        if self.order % 2:
            raise ValueError(f"order must be an even whole number in [2, 22], not {order!r}")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        if self.order == 2:  # 1 + x + x^2 / 2 is half of 1 + (1 + x)^2
            log_f = 2 * torch.hypot(1 + logits, torch.ones_like(logits)).log()
        else:
            log_f = self._log_f(logits.double()).to(logits.dtype)
        return F.cross_entropy(log_f, target, reduction="none")

    def _log_f(self, x: Tensor) -> Tensor:
        # f(x) / m^n with m = max(1, |x|), term by term, so that no power of a large score is taken;
        # in float64, as for x < 0 the terms cancel.
        m = x.abs().clamp(min=1)
        u, r = x / m, 1 / m
        term = value = torch.ones_like(x)
        for i in range(1, self.order + 1):
            term = term * u / i
            value = value * r + term
        return self.order * m.log() + value.log()
