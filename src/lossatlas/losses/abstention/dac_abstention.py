"""Cross-entropy from which a sample can be taken out, at a price that rises over the training."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register

MU = 0.05  # weight of a new batch in the running mean


@register
class DacAbstention(LogitLoss):
    """Deep abstaining classifier (Thulasidasan et al., 2019, arXiv:1905.10964).

    (1 - p_{K+1}) CE_K - alpha log(1 - p_{K+1}): p is the softmax of K + 1 scores, the last that of
    abstaining, CE_K the cross-entropy of the others. In the first `learn_epochs` epochs it is
    cross-entropy of all K + 1. alpha starts at a running mean of (1 - p_{K+1}) CE_K over
    alpha_init_factor, as it is when they end, and rises to alpha_final, a step each epoch.
    """

    target = "class_index"
    parts = ("extra_output",)
    mean: Tensor
    start: Tensor

    def __init__(
        self, alpha_final: float = 1.0, alpha_init_factor: float = 64.0, learn_epochs: float = 2.0
    ):
        super().__init__()
        self.alpha_final = in_range("alpha_final", alpha_final, "(0, inf)")
        self.alpha_init_factor = in_range("alpha_init_factor", alpha_init_factor, "(0, inf)")
        self.learn_epochs = int(in_range("learn_epochs", learn_epochs, "whole [0, inf)"))

    def setup(self, *, epochs: int) -> None:
        """Makes the running mean and the first alpha, scalars; -1 until there is one."""
        self.epochs = epochs
        self.register_buffer("mean", torch.tensor(-1.0))
        self.register_buffer("start", torch.tensor(-1.0))

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int) -> Tensor:
        """Values (N,) for logits (N, K + 1), class indices (N,) and the epoch, from 0."""
        log_kept = torch.logsumexp(torch.log_softmax(logits, 1)[:, :-1], 1)
        kept = log_kept.exp() * F.cross_entropy(logits[:, :-1], target, reduction="none")
        if self.training:
            self._move(kept.detach(), epoch)
        if epoch < self.learn_epochs:
            return F.cross_entropy(logits, target, reduction="none")
        return kept - self._alpha(epoch).to(logits) * log_kept

    @torch.no_grad()
    def _move(self, kept: Tensor, epoch: int) -> None:
        new = kept.mean().to(self.mean)
        self.mean.copy_(torch.where(self.mean < 0, new, MU * new + (1 - MU) * self.mean))
        if epoch >= self.learn_epochs:
            first = self.mean / self.alpha_init_factor
            self.start.copy_(torch.where(self.start < 0, first, self.start))

    def _alpha(self, epoch: int) -> Tensor:
        start = self.start.clamp(min=0)
        share = (epoch - self.learn_epochs) / max(self.epochs - 1 - self.learn_epochs, 1)
        return start + min(share, 1.0) * (self.alpha_final - start)
