"""Cross-entropy to a label mixed with the mean prediction that its class had an epoch ago."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class OnlineLabelSmoothing(LogitLoss):
    """Online label smoothing (Zhang et al., 2021, arXiv:2011.12562).

    -alpha log p_y - (1 - alpha) sum_k S_yk log p_k. Row c of S is the mean p over the training
    samples of class c that the epoch before got right, 1/K where there were none, and 0 in the
    first epoch.
    """

    target = "class_index"
    soft: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, alpha: float = 0.5):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, 1]")

    def setup(self, *, num_classes: int) -> None:
        """Makes S and the sums of the running epoch, (K, K), and its counts, (K,), all zero."""
        self.register_buffer("soft", torch.zeros(num_classes, num_classes))
        self.register_buffer("sums", torch.zeros(num_classes, num_classes))
        self.register_buffer("counts", torch.zeros(num_classes))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        if self.training:
            self._watch(log_p.detach(), target)
        label = quantities.of_label(log_p, target)
        soft = self.soft[target].to(log_p)
        return -self.alpha * label - (1 - self.alpha) * (soft * log_p).sum(1)

    @torch.no_grad()
    def _watch(self, log_p: Tensor, target: Tensor) -> None:
        right = (log_p.argmax(1) == target).to(self.sums)
        self.sums.index_add_(0, target, right[:, None] * log_p.exp().to(self.sums))
        self.counts.index_add_(0, target, right)

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Puts the means of the epoch in place of S, and begins to sum anew."""
        mean = self.sums / self.counts.clamp(min=1)[:, None]
        self.soft.copy_(torch.where(self.counts[:, None] > 0, mean, 1 / len(self.counts)))
        self.sums.zero_()
        self.counts.zero_()
