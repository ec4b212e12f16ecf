"""Cross-entropy of the direction of the logits; their length does not count."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LogitNorm(LogitLoss):
    """LogitNorm (Wei et al., 2022, arXiv:2205.09310): CE(s / (temperature (|s|_2 + eps)), y).

    eps, of the official code, is part of the definition: it decides the value near s = 0.
    """

    target = "class_index"

    def __init__(self, temperature: float = 0.01, eps: float = 1e-7):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.eps = in_range("eps", eps, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        length = torch.linalg.vector_norm(logits, dim=1, keepdim=True)
        scale = 1 / (self.temperature * (length + self.eps))
        return F.cross_entropy(logits * scale, target, reduction="none")
