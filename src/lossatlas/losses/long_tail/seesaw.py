"""Cross-entropy whose negatives count less where the class is rare, more where it is confused."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class Seesaw(CountedLoss):
    """Seesaw loss (Wang et al., 2021, arXiv:2008.10032), eq. 4, 6, 7 and 8.

    -log(e^{s_y} / (e^{s_y} + sum_{j != y} M_yj C_yj e^{s_j})), the mitigation M_yj =
    min(1, (n_j / n_y)^p), n_k the training samples of class k, and the compensation C_yj =
    max(1, (P_j / max(P_y, eps))^q), P the softmax of s, which is held fixed in the gradient.
    """

    target = "class_index"
    gradient = "the compensation factors"

    def __init__(self, p: float = 0.8, q: float = 2.0, eps: float = 0.01):
        super().__init__()
        self.p = in_range("p", p, "[0, inf)")
        self.q = in_range("q", q, "[0, inf)")
        self.eps = in_range("eps", eps, "[0, 1)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        own = target[:, None]
        log_p = torch.log_softmax(logits.detach(), 1)
        floor = math.log(self.eps) if self.eps else float("-inf")
        log_c = self.q * (log_p - log_p.gather(1, own).clamp(min=floor)).clamp(min=0)
        log_m = self.p * quantities.log_ratios(self.class_counts, logits, target).clamp(max=0)
        ahead = quantities.lead(logits, target) + log_m + log_c
        return quantities.cross_entropy_of_rivals(ahead, target)
