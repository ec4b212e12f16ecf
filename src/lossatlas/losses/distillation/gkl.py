"""Distillation by a weighted squared error of logit differences, and a soft cross-entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class GKL(LogitLoss):
    """Generalised KL (Cui et al., 2026, arXiv:2503.08038), of a batch with a teacher's logits t.

    CE(s, y) + v (beta wMSE + alpha SCE), v = min((epoch + 1) / warmup_epochs, 1). SCE is the mean
    of -sum_k q_k log p_k, p and q the softmax of s and t at the temperature. wMSE is
    (1/4) sum_ijk w_ij w_ik (d_ij - d_ik)^2 / sum_ijk w_ij w_ik, with d = t - s and
    w_i = softmax(t_i / temperature_2)^gamma; nothing of s is held fixed.
    """

    target = "class_index"
    per = "batch"

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        gamma: float = 1.0,
        temperature: float = 1.0,
        temperature_2: float = 1.0,
        warmup_epochs: float = 5.0,
    ):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.beta = in_range("beta", beta, "[0, inf)")
        self.gamma = in_range("gamma", gamma, "[0, inf)")
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.temperature_2 = in_range("temperature_2", temperature_2, "(0, inf)")
        self.warmup_epochs = in_range("warmup_epochs", warmup_epochs, "(0, inf)")

    def per_sample(
        self, logits: Tensor, target: Tensor, *, teacher_logits: Tensor, epoch: int
    ) -> Tensor:
        """The value () of the batch, for logits (N, K), class indices (N,), teacher's logits."""
        s, t = logits.double(), teacher_logits.detach().double()
        soft = torch.softmax(t / self.temperature, 1)
        sce = -(soft * torch.log_softmax(s / self.temperature, 1)).sum(1).mean()
        taught = self.beta * self._wmse(t - s, t) + self.alpha * sce
        v = min((epoch + 1) / self.warmup_epochs, 1.0)
        return F.cross_entropy(logits, target) + (v * taught).to(logits.dtype)

    def _wmse(self, d: Tensor, t: Tensor) -> Tensor:
        # All pairs of classes by the variance under w, as sum_jk w_j w_k (d_j - d_k)^2 is
        # 2 (sum w) sum w (d - mean d)^2.
        w = (self.gamma * torch.log_softmax(t / self.temperature_2, 1)).exp()
        total = w.sum(1, keepdim=True)
        mean = (w * d).sum(1, keepdim=True) / total
        spread = (total * w * (d - mean).square()).sum()
        return spread / 2 / total.square().sum()
