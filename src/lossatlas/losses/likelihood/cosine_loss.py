"""One minus the cosine of the scores with the label's axis."""

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CosineLoss(LogitLoss):
    """Cosine loss (Barz & Denzler, WACV 2020, arXiv:1901.09054): 1 - s_y / |s|_2.

    At s = 0, which has no direction, it is 1.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        length = torch.linalg.vector_norm(logits, dim=1)
        label = quantities.of_label(logits, target)
        return 1 - label / torch.where(length > 0, length, 1.0)
