"""Any loss of samples, weighted by a confidence that has a closed form."""

import math
from typing import Any

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import Loss, Wrapper
from lossatlas.losses.registry import register


@register
class SuperLoss(Wrapper):
    """SuperLoss (Castells, Weinzaepfel & Revaud, NeurIPS 2020), of values l a sample.

    min_sigma (l - tau) sigma + lam (log sigma)^2, which is attained at
    sigma = exp(-W(max(-2/e, (l - tau) / lam) / 2)), W Lambert's function; below the bound, where
    nothing is attained, sigma stays e. The slope in l is sigma.

    Raises:
        ValueError: the wrapped loss has no value a sample.
    """

    target = "class_index"

    def __init__(
        self,
        loss: Loss | str = "cross_entropy",
        tau: float = 2.302585092994046,
        lam: float = 1.0,
    ):
        super().__init__(loss)
        if self.loss.per != "sample":
            raise ValueError("loss must have a value a sample; this one has one a batch")
        self.tau = in_range("tau", tau, "[0, inf)")
        self.lam = in_range("lam", lam, "[0.1, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, **moments: Any) -> Tensor:
        """Values (N,) for logits (N, K) and targets of the wrapped loss."""
        above = self.wrapped(logits, target, **moments).double() - self.tau
        # As sigma is optimal, or constant, it adds nothing to the slope.
        w = lambert_w(above.detach() / (2 * self.lam))
        return (above * torch.exp(-w) + self.lam * w.square()).to(logits.dtype)


def lambert_w(z: Tensor) -> Tensor:
    """The w of at least -1 with w e^w = z, by Newton's method; -1 for z up to -1/e."""
    least = -math.exp(-1)
    inside = z.clamp(min=least)
    root = (2 * (math.e * inside + 1).clamp(min=0)).sqrt()
    w = torch.where(z < 0, root - 1 - root.square() / 3, torch.log1p(inside.clamp(min=0)))
    for _ in range(10):
        step = (w - inside * torch.exp(-w)) / (1 + w).clamp(min=1e-9)
        w = w - step
    return torch.where(z > least, w, -torch.ones_like(z))
