"""Cross-entropy to the label and, a little, to the model's own best class."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
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
        log_p = torch.log_softmax(logits, 1)
        label = quantities.of_label(log_p, target)
        guess = quantities.of_label(log_p, log_p.argmax(1))
        return -self.beta * label - (1 - self.beta) * guess
