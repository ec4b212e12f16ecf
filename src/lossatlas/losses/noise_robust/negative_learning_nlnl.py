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
        log_p = torch.log_softmax(logits, 1)
        guess = log_p.argmax(1)
        top = quantities.one_hot(guess, num_classes)
        # log(1 - p) of the largest p by the others' sum; all others are at most 1/2.
        log_miss = torch.log1p(-log_p.exp().masked_fill(top, 0))
        log_miss = torch.where(top, quantities.log_rest(log_p, guess)[:, None], log_miss)
        if not self.training:
            label = quantities.one_hot(target, num_classes)
            return -self.ln_neg * log_miss.masked_fill(label, 0).sum(1) / (num_classes - 1)
        shape = (n, int(self.ln_neg))
        step = torch.randint(
            1, num_classes, shape, generator=randomness, device=randomness.device
        ).to(target.device)
        return -log_miss.gather(1, (target[:, None] + step) % num_classes).sum(1)
