"""Cross-entropy minus its mean over the labels: a linear loss."""

from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class UnhingedMulticlass(LogitLoss):
    """Multiclass unhinged loss (Lemire Paquin et al., 2026, arXiv:2605.20347): mean_k s_k - s_y.

    That is CE(s, y) - mean_k CE(s, k).
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # Differences first: what is added to all scores leaves nothing behind.
        return quantities.lead(logits, target).mean(1)
