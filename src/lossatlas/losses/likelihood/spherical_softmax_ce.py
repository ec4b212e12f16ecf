"""Cross-entropy of probabilities proportional to the squared scores."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SphericalSoftmaxCE(LogitLoss):
    """Spherical softmax (de Brébisson & Vincent, 2016, arXiv:1511.05042).

    -log((s_y^2 + epsilon) / sum_k (s_k^2 + epsilon)); epsilon is part of the probabilities.
    """

    target = "class_index"

    def __init__(self, epsilon: float = 1e-5):
        super().__init__()
        self.epsilon = in_range("epsilon", epsilon, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        root = torch.full_like(logits, math.sqrt(self.epsilon))
        return F.cross_entropy(2 * torch.hypot(logits, root).log(), target, reduction="none")
