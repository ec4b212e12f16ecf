"""Generalised cross-entropy that no longer looks at labels it finds unlikely."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.noise_robust.gce import GCE
from lossatlas.losses.registry import register


@register
class TruncatedGCE(LogitLoss):
    """Truncated L_q (Zhang & Sabuncu, 2018, arXiv:1805.07836): min(L_q(p_y), L_q(k)).

    L_q(p) = (1 - p^q) / q, k is the threshold. Before the share `start` of the run it is L_q(p_y),
    for at the start p_y is below k everywhere.
    """

    target = "class_index"

    def __init__(self, q: float = 0.7, threshold: float = 0.5, start: float = 1 / 3):
        super().__init__()
        self.gce = GCE(q)
        self.q = self.gce.q
        self.threshold = in_range("threshold", threshold, "[0, 1)")
        self.start = in_range("start", start, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, progress: float) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        values = self.gce.per_sample(logits, target)
        if progress < self.start:
            return values
        return values.clamp(max=(1 - self.threshold**self.q) / self.q)
