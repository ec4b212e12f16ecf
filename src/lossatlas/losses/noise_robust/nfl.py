"""Focal loss divided by its sum over all labels."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class NFL(LogitLoss):
    """Normalised focal loss (Ma et al., 2020, arXiv:2006.13554).

    (1 - p_y)^gamma log p_y / sum_k (1 - p_k)^gamma log p_k; the factors are differentiated.
    """

    target = "class_index"

    def __init__(self, gamma: float = 0.5):
        super().__init__()
        self.gamma = in_range("gamma", gamma, "[0, 100]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        focal = torch.exp(self.gamma * quantities.log_miss(log_p)) * log_p
        return quantities.of_label(focal, target) / focal.sum(1)
