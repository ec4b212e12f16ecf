"""Distillation in two parts: how likely the label is, and what the other classes share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DecoupledKD(LogitLoss):
    """Decoupled distillation, DKD (Zhao et al., 2022, arXiv:2203.08679), with a teacher's logits.

    CE(s, y) + w T^2 (alpha KL(b^t || b) + beta KL(q^t || q)) with b = (p_y, 1 - p_y) and q the
    softmax of the other classes alone, of student and teacher t, all at the temperature T. The
    warm-up's w is min((epoch + 1) / warmup_epochs, 1).
    """

    target = "class_index"

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 8.0,
        temperature: float = 4.0,
        warmup_epochs: float = 20.0,
    ):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.beta = in_range("beta", beta, "[0, inf)")
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.warmup_epochs = in_range("warmup_epochs", warmup_epochs, "(0, inf)")

    def per_sample(
        self, logits: Tensor, target: Tensor, *, teacher_logits: Tensor, epoch: int
    ) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,), the teacher's logits and the epoch."""
        # In float64: at a high temperature a divergence is what two large sums differ by.
        ours, ours_rest = self._parts(logits.double(), target)
        theirs, theirs_rest = self._parts(teacher_logits.detach().double(), target)
        of_label = (theirs.exp() * (theirs - ours)).sum(1)
        of_rest = (theirs_rest.exp() * (theirs_rest - ours_rest)).sum(1)
        taught = self.alpha * of_label + self.beta * of_rest
        w = min((epoch + 1) / self.warmup_epochs, 1.0) * self.temperature**2
        return F.cross_entropy(logits, target, reduction="none") + (w * taught).to(logits.dtype)

    def _parts(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithms of b (N, 2) and of q (N, K), which is 0 at the label."""
        logits = logits / self.temperature
        odds = quantities.log_odds(logits, target)
        log_b = F.logsigmoid(torch.stack([odds, -odds], 1))
        return log_b, quantities.log_softmax_of_rest(logits, target)
