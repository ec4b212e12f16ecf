"""Cross-entropy to the label, and the divergence from a teacher at a temperature."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class KnowledgeDistillationKL(LogitLoss):
    """Knowledge distillation (Hinton et al., 2015, arXiv:1503.02531), with logits s^t of a teacher.

    (1 - lam) CE(s, y) + lam T^2 KL(softmax(s^t / T) || softmax(s / T)), T the temperature.
    """

    target = "class_index"

    def __init__(self, temperature: float = 4.0, lam: float = 0.9):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.lam = in_range("lam", lam, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, teacher_logits: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and the teacher's logits (N, K)."""
        # In float64: at a high temperature the divergence is what two large sums differ by.
        ours = torch.log_softmax(logits.double() / self.temperature, 1)
        theirs = torch.log_softmax(teacher_logits.detach().double() / self.temperature, 1)
        divergence = (theirs.exp() * (theirs - ours)).sum(1).to(logits.dtype)
        label = F.cross_entropy(logits, target, reduction="none")
        return (1 - self.lam) * label + self.lam * self.temperature**2 * divergence
