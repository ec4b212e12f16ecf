"""Cross-entropy that a sample is not of a class drawn from those that its label is not."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class NegativeLearningNlnl(LogitLoss):
    """Negative learning, the first stage of NLNL (Kim et al., 2019, arXiv:1908.07387).

    The sum of -log(1 - p_k) over ln_neg classes k, drawn anew at each call from those that are not
    the given label, with replacement. In eval mode its mean over the draws.
    """

    target = "class_index"

    def __init__(self, ln_neg: float = 1.0):
        super().__init__()
        self.ln_neg = in_range("ln_neg", ln_neg, "whole [1, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, randomness: torch.Generator) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        n, num_classes = logits.shape
        log_miss = quantities.log_miss(torch.log_softmax(logits, 1))
        if not self.training:
            wrong = quantities.with_label(log_miss, target, 0)
            return -self.ln_neg * wrong.sum(1) / (num_classes - 1)
        shape = (n, int(self.ln_neg))
        step = torch.randint(
            1, num_classes, shape, generator=randomness, device=randomness.device
        ).to(target.device)
        return -log_miss.gather(1, (target[:, None] + step) % num_classes).sum(1)
