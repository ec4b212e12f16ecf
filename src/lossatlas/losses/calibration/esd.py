"""Cross-entropy on most samples, and on every tenth the squared gap below each confidence."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Esd(LogitLoss):
    """Expected squared difference (Yoon et al., ICLR 2023, arXiv:2303.02472), over a batch.

    Mean cross-entropy of the samples to learn from + lam sqrt(max(0, ESD)) of those kept apart for
    the penalty: the samples whose number is `every` - 1 modulo `every`. ESD is the mean over i of
    the mean over pairs j != k, both not i, of g_ij g_ik, with g_ij = (c_j - r_j) [r_j <= r_i], r
    the largest probability and c 1 if its class is the label's, else 0. With root = 0 no root is
    taken. Fewer than three samples have no ESD, and no samples no cross-entropy; these count as 0.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, lam: float = 4.0, root: float = 1.0, every: float = 10.0):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")
        self.root = in_range("root", root, "whole [0, 1]")
        self.every = in_range("every", every, "whole [2, 1000]")

    def per_sample(self, logits: Tensor, target: Tensor, *, indices: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K), class indices and samples' numbers (N,)."""
        apart = indices % self.every == self.every - 1
        losses = F.cross_entropy(logits, target, reduction="none").masked_fill(apart, 0)
        value = losses.sum() / (~apart).sum().clamp(min=1)
        penalty = squared_difference(logits, target, apart)
        if self.root:
            penalty = quantities.root(penalty)
        return value + self.lam * penalty


def squared_difference(logits: Tensor, target: Tensor, apart: Tensor) -> Tensor:
    """ESD () of the rows `apart`, (N,) bool, of logits (N, K); 0 for fewer than three of them."""
    _, gap = quantities.confidence_gap(logits, target)
    # Compared by their odds, which tell confidences apart that round to one.
    sure = quantities.log_odds(logits.detach(), logits.argmax(1))
    itself = torch.eye(len(sure), dtype=torch.bool, device=sure.device)
    g = gap * ((sure <= sure[:, None]) & apart & ~itself)
    pairs = (g.sum(1).square() - g.square().sum(1)).masked_fill(~apart, 0)
    n = apart.sum()
    return pairs.sum() / (n * (n - 1) * (n - 2)).clamp(min=1) * (n > 2)
