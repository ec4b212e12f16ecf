"""One Gumbel regression per class: is it this class, or not?"""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class GumbelCE(LogitLoss):
    """Gumbel cross-entropy (Alexandridis et al., 2022, arXiv:2207.10936), summed over classes.

    e^{-s_y} - sum_{j != y} log(1 - exp(-e^{-s_j})): log scores of the Gumbel distribution function
    P_k = exp(-e^{-s_k}). As in the official code, scores are clamped to [low, high] first.
    """

    target = "class_index"

    def __init__(self, low: float = -4.0, high: float = 10.0):
        super().__init__()
        self.low = in_range("low", low, "[-80, 0]")
        self.high = in_range("high", high, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        s = logits.clamp(self.low, self.high)
        present = torch.exp(-s)
        # -log(1 - e^{-t}), t = e^{-s}. Where t is small that is s - log((1 - e^{-t}) / t), whose
        # quotient tends to 1 and does not cancel.
        small = torch.exp(-s.relu()).clamp(min=1e-30)
        large = torch.exp(s.relu() - s)
        absent = torch.where(
            s > 0, s - (-torch.expm1(-small) / small).log(), -torch.log1p(-torch.exp(-large))
        )
        wrong = quantities.with_label(absent, target, 0).sum(1)
        return quantities.of_label(present, target) + wrong
