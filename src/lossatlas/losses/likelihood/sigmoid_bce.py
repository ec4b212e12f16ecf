"""One logistic regression per class: is it this class, or not?"""

import torch
from torch import Tensor
from torch.nn import functional

from lossatlas.losses import quantities
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
        towards_label = torch.where(quantities.one_hot(target, logits.shape[1]), logits, -logits)
        # Not softplus: torch's replaces log(1 + e^x) by x beyond x = 20.
        return -functional.logsigmoid(towards_label).sum(1)
