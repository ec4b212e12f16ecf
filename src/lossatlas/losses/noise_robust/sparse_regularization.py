"""Cross-entropy of the logits' direction, with a penalty on predictions that are not one-hot."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SparseRegularization(LogitLoss):
    """Sparse regularisation with cross-entropy (Zhou et al., ICCV 2021, arXiv:2108.00192).

    CE(u, y) + lam rho^floor(epoch / r) sum_k softmax(u)_k^p with u = s / (tau |s|_2).
    """

    target = "class_index"

    def __init__(
        self,
        tau: float = 0.5,
        p: float = 0.1,
        lam: float = 1.2,
        rho: float = 1.03,
        r: float = 1.0,
    ):
        super().__init__()
        self.tau = in_range("tau", tau, "(0, inf)")
        self.p = in_range("p", p, "(0, 1)")
        self.lam = in_range("lam", lam, "[0, inf)")
        self.rho = in_range("rho", rho, "[1, 2]")
        self.r = in_range("r", r, "whole [1, 10000]")

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,); the epoch counts from 0."""
        log_p = torch.log_softmax(F.normalize(logits, dim=1) / self.tau, 1)
        lam = self.lam * self.rho ** (epoch // self.r)
        return lam * torch.exp(self.p * log_p).sum(1) - quantities.of_label(log_p, target)
