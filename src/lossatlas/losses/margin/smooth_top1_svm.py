"""The multiclass hinge with its maximum smoothed by a temperature."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SmoothTop1Svm(LogitLoss):
    """Smooth multiclass SVM (Berrada, Zisserman & Kumar, 2018, arXiv:1802.07595).

    T log sum_j exp((s_j + margin [j != y] - s_y) / T), with T the temperature.
    """

    target = "class_index"

    def __init__(self, temperature: float = 1.0, margin: float = 1.0):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # Relative to the label's score, beside which a margin would be rounded away.
        lead = logits - logits.gather(1, target[:, None])
        label = quantities.one_hot(target, logits.shape[1])
        scores = (lead + self.margin).masked_fill(label, 0.0)
        values = F.cross_entropy(scores / self.temperature, target, reduction="none")
        return self.temperature * values
