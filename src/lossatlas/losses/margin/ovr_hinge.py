"""One support vector machine per class: this class against the rest."""

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class OvrHinge(LogitLoss):
    """One-vs-rest hinge (Rifkin & Klautau, 2004): max(0, 1 - s_y) + sum_{j != y} max(0, 1 + s_j).

    At a kink the gradient is zero.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        towards_label = torch.where(quantities.one_hot(target, logits.shape[1]), logits, -logits)
        return (1 - towards_label).relu().sum(1)
