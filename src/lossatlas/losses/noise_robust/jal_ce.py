"""Normalised cross-entropy plus a squared distance to a point beyond the label's corner."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class JALCE(LogitLoss):
    """Joint asymmetric loss JAL-CE (Wang et al., 2025, arXiv:2507.17692).

    alpha NCE + beta |a e_y - p|^2 / K.
    """

    target = "class_index"

    def __init__(self, alpha: float = 1.0, beta: float = 1.0, a: float = 30.0):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.beta = in_range("beta", beta, "[0, inf)")
        self.a = in_range("a", a, "[1, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        nce = quantities.of_label(log_p, target) / log_p.sum(1)
        wrong = quantities.with_label(log_p.exp(), target, 0)
        far = self.a - 1 + wrong.sum(1)  # a - p_y
        passive = (far.square() + wrong.square().sum(1)) / logits.shape[1]
        return self.alpha * nce + self.beta * passive
