"""Cross-entropy minus its mean over the prior, on the samples that pass a sieve."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.noise_robust.unhinged_multiclass import UnhingedMulticlass
from lossatlas.losses.registry import register


@register
class Cores2(LogitLoss):
    """CORES^2 (Cheng et al., 2021, arXiv:2010.02347): CE - b sum_k prior_k (-log(p_k + eps)).

    The weight b is 0 in the first tenth of the run, rises linearly to beta up to four tenths and
    stays. From the share sieve_start on, the mean is over the samples with CE <= mean_k CE(s, k)
    alone (over all, if there is none).
    """

    target = "class_index"
    per = "batch"
    class_counts: Tensor

    def __init__(self, beta: float = 2.0, sieve_start: float = 0.31, eps: float = 1e-8):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, inf)")
        self.sieve_start = in_range("sieve_start", sieve_start, "[0, 1]")
        self.eps = in_range("eps", eps, "[0, 1)")
        self.unhinged = UnhingedMulticlass()

    def setup(self, *, class_counts: Tensor) -> None:
        """Takes the labels of each class as they are in use, (K,) float64: the prior."""
        self.register_buffer("class_counts", class_counts)

    def per_sample(self, logits: Tensor, target: Tensor, *, progress: float) -> Tensor:
        """One value () for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        added = log_p
        if self.eps > 0:  # log(p + eps); not softplus, which torch cuts off at 20
            added = math.log(self.eps) - F.logsigmoid(math.log(self.eps) - log_p)
        prior = (self.class_counts / self.class_counts.sum()).to(log_p)
        weight = self.beta * min(max((progress - 0.1) / 0.3, 0.0), 1.0)
        values = weight * (prior * added).sum(1) - quantities.of_label(log_p, target)
        if progress < self.sieve_start:
            return values.mean()
        kept = self.unhinged.per_sample(logits, target) <= 0
        counts = torch.where(kept.any(), kept, True)
        return torch.where(counts, values, 0.0).sum() / counts.sum()
