"""Cross-entropy, minus that of images with the labels of others."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class PeerLoss(LogitLoss):
    """Peer loss (Liu & Guo, ICML 2020, arXiv:1910.03231), over a batch.

    The mean of l(s_i, y_i) - alpha l(s_a, y_b), where (a, b) are two different samples of the
    batch, drawn uniformly, and l = -log(p + eps). In a batch of one, a = b.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, alpha: float = 1.0, eps: float = 1e-5):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.eps = in_range("eps", eps, "[0, 0.1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, randomness: torch.Generator) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        a, b = strangers(len(target), randomness)
        log_p = torch.log_softmax(logits, 1)
        own, theirs = log_p.gather(1, target[:, None]), log_p[a].gather(1, target[b][:, None])
        if self.eps > 0:
            own, theirs = (own.exp() + self.eps).log(), (theirs.exp() + self.eps).log()
        return self.alpha * theirs.mean() - own.mean()


def strangers(n: int, randomness: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows a and b, (n,) int64, of n pairs of different samples; each pair is uniform."""
    circle = torch.randperm(n, generator=randomness, device=randomness.device)
    return circle, circle.roll(1)
