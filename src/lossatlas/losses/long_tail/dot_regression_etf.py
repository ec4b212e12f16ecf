"""Squared error of the feature's projection on its class's corner of a fixed simplex."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DotRegressionETF(LogitLoss):
    """Dot regression to a fixed ETF (Yang et al., NeurIPS 2022, arXiv:2203.09081), over a batch.

    The mean of (m_y . h - |m_y| H)^2 / (2 H) for features h of length H (`length`), that is of
    |m_y|^2 H (1 - cos)^2 / 2. |m_y|^2 is N / (C n_y), where C classes are in the batch of N and n_y
    samples are of class y. Its logits are the cosines of the feature with the corners of a simplex,
    which are not learned.
    """

    target = "class_index"
    parts = ("fixed_prototypes",)
    per = "batch"

    def __init__(self, length: float = 1.0):
        super().__init__()
        self.length = in_range("length", length, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for cosines (N, K) and class indices (N,)."""
        counts = quantities.one_hot(target, logits.shape[1]).sum(0)
        apart = (1 - quantities.of_label(logits, target)).square()
        return self.length / 2 * (apart / counts[target]).sum() / (counts > 0).sum()
