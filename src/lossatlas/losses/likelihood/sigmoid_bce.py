"""One logistic regression per class: is it this class, or not?"""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SigmoidBCE(LogitLoss):
    """Sigmoid cross-entropy (Kornblith et al., 2021, arXiv:2010.16402), summed over classes.

    log(1 + exp(-s_y)) + sum_{k != y} log(1 + exp(s_k)).
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        own = target[:, None]
        towards_label = (-logits).scatter(1, own, logits.gather(1, own))
        # Not softplus: torch's replaces log(1 + e^x) by x beyond x = 20.
        return -F.logsigmoid(towards_label).sum(1)
