"""The multiclass hinge that sums over all wrong classes."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class WestonWatkinsHinge(LogitLoss):
    """Multiclass hinge (Weston & Watkins, 1999): sum_{j != y} max(0, margin - (s_y - s_j))^p.

    The paper has p = 1; p = 2 is the squared form. At a kink the gradient is zero.
    """

    target = "class_index"

    def __init__(self, margin: float = 1.0, p: float = 1.0):
        super().__init__()
        self.margin = in_range("margin", margin, "(0, inf)")
        self.p = in_range("p", p, "[1, 2]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        shortfall = (self.margin + quantities.lead(logits, target)).relu()
        shortfall = quantities.with_label(shortfall, target, 0)
        if self.p in (1, 2):
            return (shortfall if self.p == 1 else shortfall.square()).sum(1)
        # Inactive terms become 1 before the power: for p < 2 its curvature at zero is infinite.
        active = shortfall > 0
        return (active * torch.where(active, shortfall, 1.0) ** self.p).sum(1)
