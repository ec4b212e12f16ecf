"""Cross-entropy on logits that are both scaled and shifted by how rare their class is."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class VSLoss(CountedLoss):
    """Vector-scaling loss (Kini et al., 2021, arXiv:2103.01550), with omega = 1.

    -log(e^{D_y s_y + i_y} / sum_k e^{D_k s_k + i_k}), D_k = (n_k / n_max)^gamma and
    i_k = tau log pi_k, n_k the training samples of class k and pi_k their share. At test time the
    logits are used as they are.
    """

    target = "class_index"

    def __init__(self, gamma: float = 0.2, tau: float = 1.2):
        super().__init__()
        self.gamma = in_range("gamma", gamma, "[0, inf)")
        self.tau = in_range("tau", tau, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        counts = self.class_counts
        scaled = ((counts / counts.amax(0)) ** self.gamma).to(logits) * logits
        ahead = quantities.lead(scaled, target)
        if self.tau > 0:  # a row of shifts a sample
            shift = quantities.log_ratios(counts, logits, target)
            ahead = torch.add(ahead, shift, alpha=self.tau)
        return F.cross_entropy(ahead, target, reduction="none")
