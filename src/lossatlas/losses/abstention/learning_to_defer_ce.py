"""Cross-entropy with an extra output that hands over to an expert."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LearningToDeferCe(LogitLoss):
    """Learning to defer (Mozannar & Sontag, ICML 2020, arXiv:2006.01862), in bits.

    -log2 p_y - log2 p_{K+1} where the expert is right, the first term then times alpha; -log2 p_y
    where it is wrong. p is the softmax of K + 1 scores, the last that of deferring. The expert is a
    trained network: its label is the class of its largest score.
    """

    target = "class_index"
    parts = ("extra_output",)

    def __init__(self, alpha: float = 1.0):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, teacher_logits: Tensor) -> Tensor:
        """Values (N,) for logits (N, K + 1), class indices (N,) and the expert's scores (N, K)."""
        log_p = torch.log_softmax(logits, 1)
        right = teacher_logits.argmax(1) == target
        label = quantities.of_label(log_p, target)
        value = torch.where(right, self.alpha * label + log_p[:, -1], label)
        return -value / math.log(2)
