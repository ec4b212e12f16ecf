"""Distillation from a teacher that is made up: almost uniform, a little more for the label."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class TfKdReg(LogitLoss):
    """Teacher-free distillation, Tf-KD_reg (Yuan et al., 2020, arXiv:1909.11723), eq. 9 as coded.

    (1 - alpha) CE(s, y) + alpha (m / K) KL(u || softmax(s)), where u is the softmax of
    (a on the label, (1 - a) / (K - 1) elsewhere) / temperature. The paper's equation has no m / K
    and the student at the temperature too.
    """

    target = "class_index"

    def __init__(
        self, a: float = 0.99, temperature: float = 20.0, alpha: float = 0.1, m: float = 10.0
    ):
        super().__init__()
        self.a = in_range("a", a, "[0, 1]")
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.alpha = in_range("alpha", alpha, "[0, 1]")
        self.m = in_range("m", m, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        k = logits.shape[1]
        e_y = quantities.one_hot(target, k).double()
        teacher = ((1 - self.a) / (k - 1) * (1 - e_y) + self.a * e_y) / self.temperature
        log_u = torch.log_softmax(teacher, 1)
        # In float64: the divergence is what two sums of nearly equal numbers differ by.
        log_p = torch.log_softmax(logits.double(), 1)
        divergence = (log_u.exp() * (log_u - log_p)).sum(1).to(logits.dtype)
        label = F.cross_entropy(logits, target, reduction="none")
        return (1 - self.alpha) * label + self.alpha * self.m / k * divergence
