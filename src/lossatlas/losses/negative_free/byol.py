"""BYOL: each view predicts what a slowly moving twin makes of the other."""

import math

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import EmbeddingLoss
from lossatlas.losses.quantities import unit
from lossatlas.losses.registry import register


@register
class Byol(EmbeddingLoss):
    """BYOL (Grill et al., NeurIPS 2020, arXiv:2006.07733), eq. 2, symmetric.

    |q1 - k2|^2 + |q2 - k1|^2 of unit vectors: q the predictions, k the twin's projections, which
    have no gradient. A zero vector has cosine 0 with every other. Labels are ignored.
    """

    target = "two_view"
    per = "sample"
    min_batch = 1
    parts = ("predictor", "momentum_encoder")
    gradient = "the twin's projections"

    def __init__(self, base_tau: float = 0.99):
        super().__init__()
        self.base_tau = in_range("base_tau", base_tau, "[0, 1]")

    def twin_keeps(self, progress: float) -> float:
        """1 - (1 - base_tau) (cos(pi progress) + 1) / 2: from base_tau to 1 over the run."""
        return 1 - (1 - self.base_tau) * (math.cos(math.pi * progress) + 1) / 2

    def per_sample(self, embeddings: Tensor, labels: Tensor | None, *, keys: Tensor) -> Tensor:
        """Values (N,) for predictions (2, N, D) and the twin's projections (2, N, D)."""
        cosines = (unit(embeddings) * unit(keys.detach().flip(0))).sum(2)
        return (2 - 2 * cosines).sum(0)
