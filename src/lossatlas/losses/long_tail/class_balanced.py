"""Cross-entropy with weights from the effective number of samples of each class."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class ClassBalanced(CountedLoss):
    """Class-balanced softmax loss (Cui et al., 2019, arXiv:1901.05555): -w_y log p_y.

    w_k is in proportion to (1 - beta) / (1 - beta^n_k), one over the effective number of the n_k
    training samples of class k; the weights sum to K.
    """

    target = "class_index"

    def __init__(self, beta: float = 0.9999):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, 1)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        weights = quantities.effective_number_weights(self.class_counts, self.beta)
        return weights.to(logits)[target] * F.cross_entropy(logits, target, reduction="none")
