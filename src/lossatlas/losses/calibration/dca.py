"""Cross-entropy plus how far mean confidence is from accuracy, over a batch."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Dca(LogitLoss):
    """DCA (Liang et al., 2020, arXiv:2009.04057): cross-entropy + beta |confidence - accuracy|.

    Confidence is the mean of max_k p_k over the batch, accuracy the share of samples that are
    right, which has no gradient.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, beta: float = 10.0):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        _, gap = quantities.confidence_gap(logits, target)
        return F.cross_entropy(logits, target) + self.beta * gap.mean().abs()
