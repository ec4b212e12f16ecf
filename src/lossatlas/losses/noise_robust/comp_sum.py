"""One family from cross-entropy through its generalised forms to mean absolute error."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CompSum(LogitLoss):
    """Comp-sum losses (Mao et al., 2023, arXiv:2304.07288): (1 - p_y^(tau - 1)) / (tau - 1).

    At tau = 1 it is -log p_y. The paper's losses with tau below one are left out: for a mistake
    they grow like exp(-(1 - tau) margin) and overflow.
    """

    target = "class_index"

    def __init__(self, tau: float = 1.5):
        super().__init__()
        self.tau = in_range("tau", tau, "[1, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p_y = quantities.of_label(torch.log_softmax(logits, 1), target)
        q = self.tau - 1
        return -torch.expm1(q * log_p_y) / q if q > 0 else -log_p_y
