"""Squared error of the feature's projection on its class's corner of a fixed simplex."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DotRegressionETF(LogitLoss):
    """Dot-regression loss with a fixed ETF (Yang et al., NeurIPS 2022, arXiv:2203.09081).

    (m_y . h - |m_y| H)^2 / (2 H) for features of length H (`length`), with |m_y|^2 = n / n_y, n the
    mean of the class counts. Its logits are the cosines of the feature with the corners of a
    simplex, which are not learned.
    """

    target = "class_index"
    parts = ("fixed_prototypes",)
    class_counts: Tensor

    def __init__(self, length: float = 1.0):
        super().__init__()
        self.length = in_range("length", length, "(0, inf)")

    def setup(self, *, class_counts: Tensor) -> None:
        """Takes the training samples of each class, (K,) float64."""
        self.register_buffer("class_counts", class_counts)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        rarity = (self.class_counts.mean() / self.class_counts[target]).to(logits)
        apart = 1 - logits.gather(1, target[:, None])[:, 0]
        return self.length * rarity * apart.square() / 2
