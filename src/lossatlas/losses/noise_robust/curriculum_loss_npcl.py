"""The mean hinge of the easiest samples of a batch; how many, a bound of the errors decides."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CurriculumLossNPCL(LogitLoss):
    """Noise-pruned curriculum loss (Lyu & Tsang, 2020, arXiv:1905.10045).

    The paper bounds the errors of a batch by min_v max(sum_i v_i l_i, C - sum_i v_i), v_i 0 or 1,
    with hinges l_i = max(0, 1 - margin_i) and C = (1 - epsilon)^2 N + (1 - epsilon) errors. The
    minimum takes the T samples of least hinge, T the largest number with L_T <= C + 1 - T, L_T
    their sum; as in the authors' code one more is taken if L_T <= C - T. Their mean soft hinge is
    the value, where an error has log-sum-exp in place of the largest score. Before the share
    `burn_in` of the run all samples count.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, epsilon: float = 0.0, burn_in: float = 0.05):
        super().__init__()
        self.epsilon = in_range("epsilon", epsilon, "[0, 1)")
        self.burn_in = in_range("burn_in", burn_in, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, progress: float) -> Tensor:
        """One value () for logits (N, K) and class indices (N,)."""
        margin = quantities.margin(logits, target)
        wrong = logits.argmax(1) != target
        spread = F.cross_entropy(logits, target, reduction="none")
        soft = torch.where(wrong, 1 + spread, (1 - margin).relu())
        if progress < self.burn_in:
            return soft.mean()
        hinges, order = (1 - margin).relu().detach().sort(stable=True)
        keep = 1 - self.epsilon
        bound = keep**2 * len(hinges) + keep * wrong.sum()
        numbers = torch.arange(1, len(hinges) + 1, device=hinges.device)
        # L_T + T - C, which rises with T: up to 1 is taken, and the first above 1 if its
        # predecessor, of T - 1 samples, is not above 0.
        over = hinges.cumsum(0) + numbers - bound
        before = over - hinges - 1
        return soft[order[(over <= 1) | (before <= 0)]].mean()
