"""Cross-entropy with a reward for the entropy of the prediction."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class ConfidencePenalty(LogitLoss):
    """Confidence penalty (Pereyra et al., 2017, arXiv:1701.06548): -log p_y - beta H(p).

    H(p) = -sum_k p_k log p_k; a class of probability 0 adds nothing to it.
    """

    target = "class_index"

    def __init__(self, beta: float = 0.1):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        entropy = -(log_p.exp() * log_p).sum(1)
        return -quantities.of_label(log_p, target) - self.beta * entropy
