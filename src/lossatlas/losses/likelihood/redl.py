"""Evidence for each class, with the prior's weight free and no variance in the error."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Redl(LogitLoss):
    """Relaxed evidential learning, R-EDL (Chen, Gao & Xu, ICLR 2024).

    With evidence e = softplus(s): the squared distance of the one-hot label to the shares
    (e_k + lamb2) / (e_k + lamb1 sum_{j != k} e_j + K lamb2); plus the divergence of
    Dir(e + lamb2, the label's e taken away) from Dir(lamb2), weighted by
    lambda_max min(1, epoch / anneal).
    """

    target = "class_index"

    def __init__(
        self,
        lamb2: float = 0.1,
        lamb1: float = 1.0,
        lambda_max: float = 1.0,
        anneal: float = 10.0,
    ):
        super().__init__()
        self.lamb2 = in_range("lamb2", lamb2, "[0.001, 100]")
        self.lamb1 = in_range("lamb1", lamb1, "(0, inf)")
        self.lambda_max = in_range("lambda_max", lambda_max, "[0, inf)")
        self.anneal = in_range("anneal", anneal, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and the epoch, from 0."""
        num_classes = logits.shape[1]
        e_y = quantities.one_hot(target, num_classes)
        evidence = F.softplus(logits.double())
        others = evidence.sum(1, keepdim=True) - evidence
        rest = self.lamb1 * others + (num_classes - 1) * self.lamb2
        alpha = evidence + self.lamb2
        gap = e_y.to(alpha.dtype) - alpha / (alpha + rest)
        weight = self.lambda_max * min(1.0, epoch / self.anneal)
        wrong = alpha.masked_fill(e_y, self.lamb2)
        divergence = quantities.dirichlet_divergence(wrong, self.lamb2)
        return (gap.square().sum(1) + weight * divergence).to(logits.dtype)
