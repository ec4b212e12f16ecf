"""Cross-entropy of scores to which the costs of the mistakes have been added."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SoftmaxMargin(LogitLoss):
    """Softmax-margin (Gimpel & Smith, 2010): -s_y + log sum_j exp(s_j + c(y, j)), c(y, y) = 0.

    The cost is `margin` for every mistake. Other costs go into the buffer `cost` (K, K): row the
    true class, column the predicted one, zeros on the diagonal.
    """

    target = "class_index"
    cost: Tensor

    def __init__(self, margin: float = 1.0):
        super().__init__()
        self.margin = in_range("margin", margin, "[0, inf)")

    def setup(self, *, num_classes: int) -> None:
        """Makes the costs, (num_classes, num_classes)."""
        self.register_buffer(
            "cost", self.margin * (1 - torch.eye(num_classes, dtype=torch.float64))
        )

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # Relative to the label's score, beside which a cost would be rounded away if it is large.
        relative = quantities.lead(logits, target)
        return F.cross_entropy(relative + self.cost.to(logits)[target], target, reduction="none")
