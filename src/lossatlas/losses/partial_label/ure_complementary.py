"""An unbiased estimate of cross-entropy from a class that is wrong."""

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class UreComplementary(LogitLoss):
    """Unbiased risk estimator (Ishida et al., ICML 2019, arXiv:1810.04327), the form "free".

    -(K - 1) l(s, c) + sum_k l(s, k), l cross-entropy and c a class that is wrong, which equals
    log sum_k exp(s_k - s_c) + sum_k (s_c - s_k).
    """

    target = "complementary"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and wrong classes (N,)."""
        lead = quantities.lead(logits, target)
        return torch.logsumexp(lead, 1) - lead.sum(1)
