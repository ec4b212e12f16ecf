"""Cross-entropy with an extra output on which a network can bet that it does not know."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DeepGamblers(LogitLoss):
    """Gambler's loss (Ziyin et al., 2019, arXiv:1907.00208): -log(p_y + p_{K+1} / o).

    p is the softmax of K + 1 scores, the last that of abstaining. In the first `pretrain` epochs
    it is cross-entropy on the K scores of the classes.
    """

    target = "class_index"
    parts = ("extra_output",)

    def __init__(self, o: float = 2.2, pretrain: float = 0.0):
        super().__init__()
        self.o = in_range("o", o, "(1, inf)")
        self.pretrain = in_range("pretrain", pretrain, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int) -> Tensor:
        """Values (N,) for logits (N, K + 1), class indices (N,) and the epoch, from 0."""
        if epoch < self.pretrain:
            return F.cross_entropy(logits[:, :-1], target, reduction="none")
        log_p = torch.log_softmax(logits, 1)
        label = log_p.gather(1, target[:, None])
        kept = log_p[:, -1:] - math.log(self.o)
        return -torch.logsumexp(torch.cat([label, kept], 1), 1)
