"""Cross-entropy plus a kernel estimate of the calibration error of the whole vector p."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class EceKde(LogitLoss):
    """ECE-KDE (Popordanoska et al., 2022, arXiv:2210.07810), canonical, beside cross-entropy.

    The penalty is the mean over samples i of ||f_i - p_i||_p^p, where f_i is the mean of e_{y_j}
    over the other samples j of the batch, weighted by the Dirichlet density
    Dir(p_i; p_j / bandwidth + 1); 0 for a single sample. It is computed in float64.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, bandwidth: float = 0.001, p: float = 1.0, lam: float = 1.0):
        super().__init__()
        self.bandwidth = in_range("bandwidth", bandwidth, "[1e-5, 1]")
        self.p = in_range("p", p, "whole [1, 2]")
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        entropy = F.cross_entropy(logits, target)
        n, k = logits.shape
        if n == 1:
            return entropy
        log_p = torch.log_softmax(logits.double(), 1)
        p = log_p.exp()
        a = p / self.bandwidth
        log_kernel = (
            log_p @ a.T  # i, j: the density of sample j at p_i
            + math.lgamma(1 / self.bandwidth + k)
            - torch.lgamma(a + 1).sum(1)
        )
        itself = torch.eye(n, dtype=torch.bool, device=logits.device)
        share = torch.softmax(log_kernel.masked_fill(itself, float("-inf")), 1)
        f = share @ quantities.one_hot(target, k).double()
        error = ((f - p).abs() ** self.p).sum(1).mean()
        return entropy + self.lam * error.to(entropy)
