"""The margin loss under the worst distribution of labels near the uniform one."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LdrKl(LogitLoss):
    """LDR-KL (Zhu, Ying & Yang, 2023, arXiv:2112.14869).

    T log((1/K) sum_k exp((s_k - s_y + margin [k != y]) / T)), with T the temperature, the paper's
    lambda. With normalize = 1 the scores are softplus(s) over its mean, as in the official code.
    """

    target = "class_index"

    def __init__(self, temperature: float = 1.0, margin: float = 0.1, normalize: float = 0.0):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")
        self.normalize = in_range("normalize", normalize, "whole [0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        k = logits.shape[1]
        scores = logits
        if self.normalize:
            # log softplus(s), which is s where e^s is small: the shares of very low scores.
            low = torch.where(logits < -40, logits, 0.0)
            high = torch.where(logits < -40, 0.0, logits)
            log_u = torch.where(logits < -40, low, (-F.logsigmoid(-high)).log())
            scores = k * torch.softmax(log_u, 1)
        ahead = (quantities.lead(scores, target) + self.margin) / self.temperature
        values = quantities.cross_entropy_of_rivals(ahead, target)
        return self.temperature * (values - math.log(k))
