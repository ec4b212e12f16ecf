"""Cross-entropy on logits to which a multiple of the log prior is added."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class LogitAdjustment(CountedLoss):
    """Logit-adjusted softmax cross-entropy (Menon et al., 2021, arXiv:2007.07314).

    -log(e^{s_y + tau log pi_y} / sum_k e^{s_k + tau log pi_k}), pi_k the share of class k among the
    training samples. At test time the logits are used as they are.
    """

    target = "class_index"

    def __init__(self, tau: float = 1.0):
        super().__init__()
        self.tau = in_range("tau", tau, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        shift = quantities.log_ratios(self.class_counts, logits, target)
        ahead = torch.add(quantities.lead(logits, target), shift, alpha=self.tau)
        return F.cross_entropy(ahead, target, reduction="none")
