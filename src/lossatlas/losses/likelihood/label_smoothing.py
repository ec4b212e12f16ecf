"""Label smoothing: cross-entropy to a target mixed with the uniform distribution."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LabelSmoothing(LogitLoss):
    """Label smoothing (Szegedy et al., 2016, arXiv:1512.00567).

    -(1 - epsilon) log p_y - (epsilon / K) sum_k log p_k: the mass epsilon is spread over all K
    classes, the label included.
    """

    target = "class_index"

    def __init__(self, epsilon: float = 0.1):
        super().__init__()
        self.epsilon = in_range("epsilon", epsilon, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        share = self.epsilon / logits.shape[1]
        return -(1 - self.epsilon) * quantities.of_label(log_p, target) - share * log_p.sum(1)
