"""Cross-entropy plus the expected calibration error with soft bins, over a batch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SoftECE(LogitLoss):
    """Soft-binned ECE (Karandikar et al., 2021, arXiv:2108.00106), eq. 11, beside cross-entropy.

    Sample i belongs to bin j with weight u_ij = softmax_j(-(r_i - (2j - 1) / 2M)^2 / T), r the
    confidence. The penalty is the root of the mean over bins, weighted by their mass sum_i u_ij, of
    the squared difference between the bin's mean confidence and its accuracy.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, M: float = 15, T: float = 0.01, beta: float = 1.0):
        super().__init__()
        self.M = in_range("M", M, "whole [1, 100]")
        self.T = in_range("T", T, "(0, inf)")
        self.beta = in_range("beta", beta, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        r, gap = quantities.confidence_gap(logits, target)
        centres = (torch.arange(int(self.M), device=r.device).to(r) + 0.5) / self.M
        log_u = torch.log_softmax(-((r[:, None] - centres) ** 2) / self.T, 1)
        # A bin so far away that its mass is 0 in floating point still has a mean.
        apart = (torch.softmax(log_u, 0) * gap[:, None]).sum(0)
        mass = torch.exp(torch.logsumexp(log_u, 0) - math.log(len(r)))
        error = quantities.root((mass * apart**2).sum())
        return F.cross_entropy(logits, target) + self.beta * error
