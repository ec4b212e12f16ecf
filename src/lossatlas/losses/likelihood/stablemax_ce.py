"""Cross-entropy of a softmax with a line, and below 0 a hyperbola, for the exponential."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class StablemaxCE(LogitLoss):
    """StableMax cross-entropy (Prieto et al., 2025, arXiv:2501.04697): -log(g(s_y) / sum_k g(s_k)).

    g(x) = 1 + x for x >= 0 and 1 / (1 - x) below (eq. 5 to 7), so that log g(x) is
    sign(x) log(1 + |x|), of which this is cross-entropy (proposition 1).
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # One of the two parts is 0. The second one is no relu, whose slope at 0 would be 0, not 1.
        above = logits.relu()
        log_g = torch.log1p(above) - torch.log1p(above - logits)
        return F.cross_entropy(log_g, target, reduction="none")
