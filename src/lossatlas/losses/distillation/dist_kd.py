"""Distillation by correlation: within each prediction, and of each class over the batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DistKD(LogitLoss):
    """DIST (Huang et al., 2022, arXiv:2205.10536), of a batch with a teacher's logits.

    CE + T^2 (beta (1 - mean_i rho(p_i, q_i)) + gamma (1 - mean_k rho(p_.k, q_.k))): rho
    is Pearson's correlation, p and q are the softmax of student and teacher at the temperature T.
    """

    target = "class_index"
    per = "batch"

    def __init__(
        self,
        beta: float = 2.0,
        gamma: float = 2.0,
        temperature: float = 1.0,
    ):
        super().__init__()
        self.beta = in_range("beta", beta, "[0, inf)")
        self.gamma = in_range("gamma", gamma, "[0, inf)")
        self.temperature = in_range("temperature", temperature, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, teacher_logits: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K), class indices (N,), teacher's logits."""
        # In float64: where a prediction is uniform, rounding would be correlated.
        p = torch.softmax(logits.double() / self.temperature, 1)
        q = torch.softmax(teacher_logits.detach().double() / self.temperature, 1)
        apart = self.beta * (1 - _correlation(p, q).mean())
        apart = apart + self.gamma * (1 - _correlation(p.T, q.T).mean())
        taught = (self.temperature**2 * apart).to(logits.dtype)
        return F.cross_entropy(logits, target) + taught


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of each row; the 1e-8, as in the code, makes it 0 of a constant row."""
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    lengths = quantities.root((a * a).sum(1)) * quantities.root((b * b).sum(1))
    return (a * b).sum(1) / (lengths + 1e-8)
