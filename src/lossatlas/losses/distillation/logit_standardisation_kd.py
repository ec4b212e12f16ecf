"""Distillation of z-scores: the student copies the shape of the teacher's logits alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LogitStandardisationKD(LogitLoss):
    """Logit standardisation (Sun et al., 2024, arXiv:2403.01427), with a teacher's logits t.

    ce_weight CE(s, y) + kd_weight T^2 KL(softmax(Z(t) / T) || softmax(Z(s) / T)), where
    Z(v) = (v - mean v) / (std v + 1e-7), T the temperature and std that of the code, over K - 1.
    """

    target = "class_index"

    def __init__(self, temperature: float = 2.0, kd_weight: float = 9.0, ce_weight: float = 0.1):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.kd_weight = in_range("kd_weight", kd_weight, "[0, inf)")
        self.ce_weight = in_range("ce_weight", ce_weight, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, teacher_logits: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and the teacher's logits (N, K)."""
        ours = self._log_softmax(logits.double())
        theirs = self._log_softmax(teacher_logits.detach().double())
        divergence = (theirs.exp() * (theirs - ours)).sum(1).to(logits.dtype)
        label = F.cross_entropy(logits, target, reduction="none")
        return self.ce_weight * label + self.kd_weight * self.temperature**2 * divergence

    def _log_softmax(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        std = quantities.root((centred * centred).sum(1, keepdim=True) / (x.shape[1] - 1))
        return torch.log_softmax(centred / (std + 1e-7) / self.temperature, 1)
