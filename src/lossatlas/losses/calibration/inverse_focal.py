"""Cross-entropy with more weight on samples that are already right."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class InverseFocal(LogitLoss):
    """Inverse focal loss (Wang et al., NeurIPS 2021): -(1 + p_y)^gamma log p_y.

    It falls as p_y rises for gamma up to 1 / W(1/e) = 3.5911, W the Lambert function.
    """

    target = "class_index"

    def __init__(self, gamma: float = 2.0):
        super().__init__()
        self.gamma = in_range("gamma", gamma, "[0, 3.59]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p_y = quantities.of_label(torch.log_softmax(logits, 1), target)
        return -((1 + log_p_y.exp()) ** self.gamma) * log_p_y
