"""Cross-entropy to the label and, a little, to the model's own best class."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class BootstrappingHard(LogitLoss):
    """Hard bootstrapping (Reed et al., 2015, arXiv:1412.6596).

    beta CE(s, y) + (1 - beta) CE(s, argmax s).
    """

    target = "class_index"

    def __init__(self, beta: float = 0.8):
        super().__init__()
        self.beta = in_range("beta", beta, "(0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        label = F.cross_entropy(logits, target, reduction="none")
        guess = F.cross_entropy(logits, logits.argmax(1), reduction="none")
        return self.beta * label + (1 - self.beta) * guess
