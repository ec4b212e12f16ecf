"""Cross-entropy plus the mean square of the wrong classes' scores."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Squentropy(LogitLoss):
    """Squentropy (Hui, Belkin & Wright, 2023, arXiv:2302.03952).

    CE(s, y) + (1 / (K - 1)) sum_{j != y} s_j^2.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        k = logits.shape[1]
        wrong = quantities.with_label(logits, target, 0)
        label = F.cross_entropy(logits, target, reduction="none")
        return label + wrong.square().sum(1) / (k - 1)
