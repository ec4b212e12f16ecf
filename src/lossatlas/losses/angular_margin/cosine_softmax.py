"""Cross-entropy of cosines plus a learned bias, at a low temperature."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CosineSoftmax(LogitLoss):
    """Cosine softmax (Kornblith et al., NeurIPS 2021, arXiv:2010.16402).

    Cross-entropy of (cos theta + b) / tau, where tau is the temperature and b a learned bias of
    each class, which starts at 0.
    """

    target = "class_index"
    parts = ("cosine_head",)
    owns = ("bias",)
    bias: nn.Parameter

    def __init__(self, temperature: float = 0.05):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")

    def setup(self, *, num_classes: int) -> None:
        """Makes the bias, (num_classes,) zeros."""
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        # Relative to the label's score, so that a small loss is not lost beside a large one.
        lead = quantities.lead(logits, target)
        bias = self.bias.to(logits)
        lead = lead + (bias - bias[target][:, None])
        return F.cross_entropy(lead / self.temperature, target, reduction="none")
