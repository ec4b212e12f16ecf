"""Barlow Twins: the cross-correlation of two views is pushed to the identity."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import EmbeddingLoss
from lossatlas.losses.registry import register


@register
class BarlowTwins(EmbeddingLoss):
    """Barlow Twins (Zbontar et al., ICML 2021, arXiv:2103.03230), eqs. 1 and 2.

    sum_i (1 - C_ii)^2 + lam sum_{i != j} C_ij^2, where C (D, D) holds the correlations over the
    batch of the features of view 1 with those of view 2. `eps` is added to the variances, as the
    official batch norm does; a feature of variance 0 has correlation 0 with all. Labels are
    ignored.
    """

    target = "two_view"
    per = "batch"

    def __init__(self, lam: float = 0.005, eps: float = 1e-5, factor: float = 1.0):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")
        self.eps = in_range("eps", eps, "[0, inf)")
        self.factor = in_range("factor", factor, "(0, inf)")

    def per_sample(self, embeddings: Tensor, labels: Tensor | None) -> Tensor:
        """The value () of the batch, for embeddings (2, N, D)."""
        z = embeddings - embeddings.mean(1, keepdim=True)
        variance = z.square().mean(1, keepdim=True) + self.eps
        z = z / torch.where(variance > 0, variance, 1.0).sqrt()
        c = z[0].T @ z[1] / z.shape[1]
        diagonal = c.diagonal()
        # Of the others one sum less the other would be lost to rounding where the diagonal leads.
        others = c - torch.diag_embed(diagonal)
        return self.factor * ((1 - diagonal).square().sum() + self.lam * others.square().sum())
