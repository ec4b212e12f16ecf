"""Cross-entropy, and minus the entropy of the wrong classes among themselves."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class ComplementEntropyCot(LogitLoss):
    """Complement objective training (Chen et al., ICLR 2019, arXiv:1903.01182), as one sum.

    CE(s, y) + 1 / (K - left_out) sum_{j != y} q_j log q_j, q the softmax of the wrong classes
    alone. left_out is 1 in the paper (by two of its readers), 0 in its code. The paper takes a step
    on each term by turns.
    """

    target = "class_index"

    def __init__(self, left_out: float = 1.0):
        super().__init__()
        self.left_out = in_range("left_out", left_out, "whole [0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_q = quantities.log_softmax_of_rest(logits, target)
        evenness = (log_q.exp() * log_q).sum(1) / (logits.shape[1] - self.left_out)
        return F.cross_entropy(logits, target, reduction="none") + evenness
