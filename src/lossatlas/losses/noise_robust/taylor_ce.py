"""The Taylor series of the logarithm in cross-entropy, cut off."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class TaylorCE(LogitLoss):
    """Taylor cross-entropy (Feng et al., IJCAI 2020): sum_{i=1}^t (1 - p_y)^i / i."""

    target = "class_index"

    def __init__(self, t: float = 6.0):
        super().__init__()
        self.t = in_range("t", t, "whole [1, 99]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        wrong = quantities.rest(logits, target)[:, None]
        orders = torch.arange(1, self.t + 1, dtype=logits.dtype, device=logits.device)
        return (wrong**orders / orders).sum(1)
