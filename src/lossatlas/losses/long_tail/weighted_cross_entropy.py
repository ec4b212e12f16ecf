"""Cross-entropy with a weight for each class, larger for rarer classes."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class WeightedCrossEntropy(CountedLoss):
    """Class-weighted cross-entropy: -w_y log p_y, w_k = K n_k^{-a} / sum_j n_j^{-a}.

    n_k counts the training samples of class k, so that the weights sum to K. Elkan (IJCAI 2001)
    founds learning by costs; weights by count are a convention without a paper. The reduction
    "mean" is the plain mean of the values, not their sum divided by that of the weights.
    """

    target = "class_index"

    def __init__(self, a: float = 1.0):
        super().__init__()
        self.a = in_range("a", a, "[0, 2]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        rarity = (self.class_counts / self.class_counts.amin()) ** -self.a
        weights = len(rarity) * rarity / rarity.sum()
        return weights.to(logits)[target] * F.cross_entropy(logits, target, reduction="none")
