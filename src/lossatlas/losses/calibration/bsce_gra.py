"""Cross-entropy whose gradient is weighted by the Brier score."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class BSCEGra(LogitLoss):
    """BSCE-GRA (Lin et al., 2025, arXiv:2503.22725): -u log p_y, u without gradient.

    u = ||p - e_y||_beta^gamma; beta = gamma = 2 is the Brier score of the sample.
    """

    target = "class_index"
    gradient = "the weight u"

    def __init__(self, beta: float = 2.0, gamma: float = 2.0):
        super().__init__()
        self.beta = in_range("beta", beta, "[1, inf)")
        self.gamma = in_range("gamma", gamma, "[0, 10]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        with torch.no_grad():  # |p - e_y| is p_j at a wrong class and 1 - p_y at the label
            wrong = quantities.with_label(log_p, target, quantities.LOWEST)
            both = [torch.logsumexp(self.beta * wrong, 1), self.beta * torch.logsumexp(wrong, 1)]
            u = torch.exp(self.gamma / self.beta * torch.logsumexp(torch.stack(both), 0))
        return -u * quantities.of_label(log_p, target)
