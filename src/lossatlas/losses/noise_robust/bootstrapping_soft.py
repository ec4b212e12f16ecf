"""Cross-entropy to a mixture of the label and the prediction itself."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class BootstrappingSoft(LogitLoss):
    """Soft bootstrapping (Reed et al., 2015, arXiv:1412.6596): beta CE(s, y) + (1 - beta) H(p).

    That is cross-entropy to beta e_y + (1 - beta) p, with the gradient through both p.
    """

    target = "class_index"

    def __init__(self, beta: float = 0.95):
        super().__init__()
        self.beta = in_range("beta", beta, "(0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        label = quantities.of_label(log_p, target)
        return -self.beta * label - (1 - self.beta) * (log_p.exp() * log_p).sum(1)
