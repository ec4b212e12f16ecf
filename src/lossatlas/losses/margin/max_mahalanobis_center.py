"""Squared distance of the feature to its class's corner of a fixed simplex."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class MaxMahalanobisCenter(LogitLoss):
    """Max-Mahalanobis center loss (Pang et al., ICLR 2020, arXiv:1905.10626): |z - mu_y|^2.

    The centres mu_k are the corners of a simplex, of length `radius` (C), and are not learned. Its
    logits are the cosines of the feature z with them, so that the square is
    (|z| - C)^2 + 2 C |z| (1 - cos), which does not cancel near the centre.
    """

    target = "class_index"
    parts = ("fixed_prototypes",)

    def __init__(self, radius: float = 10.0):
        super().__init__()
        self.radius = in_range("radius", radius, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, features: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K), class indices (N,) and features (N, D)."""
        length = torch.linalg.vector_norm(features, dim=1).to(logits)
        apart = 1 - quantities.of_label(logits, target)
        return (length - self.radius) ** 2 + 2 * self.radius * length * apart
