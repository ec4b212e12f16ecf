"""Cross-entropy divided by its sum over all labels."""

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class NCE(LogitLoss):
    """Normalised cross-entropy (Ma et al., 2020, arXiv:2006.13554): log p_y / sum_k log p_k.

    The sum is at most -K log K, so the quotient is defined at every finite input.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        return quantities.of_label(log_p, target) / log_p.sum(1)
