"""Cross-entropy of logits that are shortened to a largest length."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LogitClip(LogitLoss):
    """LogitClip (Wei et al., 2023, arXiv:2212.04055): CE(s min(1, tau / |s|_2), y)."""

    target = "class_index"

    def __init__(self, tau: float = 1.5):
        super().__init__()
        self.tau = in_range("tau", tau, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        inside = torch.linalg.vector_norm(logits.detach(), dim=1, keepdim=True) <= self.tau
        # Where nothing is clipped the length is not looked at: at zero it has no slope.
        looked_at = torch.where(inside, 1.0, logits)
        length = torch.linalg.vector_norm(looked_at, dim=1, keepdim=True)
        factor = torch.where(inside, 1.0, self.tau / length)
        return F.cross_entropy(logits * factor, target, reduction="none")
