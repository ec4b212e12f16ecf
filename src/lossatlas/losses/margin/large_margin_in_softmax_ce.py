"""Cross-entropy that wants the wrong classes to be equally wrong."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LargeMarginInSoftmaxCe(LogitLoss):
    """Large margin in softmax cross-entropy (Kobayashi, BMVC 2019).

    CE(s, y) + (lam / 2) sum_{j != y} (q_j - 1 / (K - 1)) log q_j, with q the softmax over the wrong
    classes alone.
    """

    target = "class_index"

    def __init__(self, lam: float = 0.3):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        k = logits.shape[1]
        log_q = quantities.log_softmax_of_rest(logits, target)
        regulariser = self.lam / 2 * ((log_q.exp() - 1 / (k - 1)) * log_q).sum(1)
        return F.cross_entropy(logits, target, reduction="none") + regulariser
