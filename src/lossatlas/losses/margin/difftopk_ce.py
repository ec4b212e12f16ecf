"""Cross-entropy of a relaxed top-k accuracy, read off a differentiable ranking."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DifftopkCe(LogitLoss):
    """Differentiable top-k cross-entropy (Petersen et al., 2022, arXiv:2206.07290).

    -log(w softmax(s)_y + (1 - w) sum_{r <= k} A_ry), w = top1_weight, where the row r of A is a
    distribution over which class has rank r: with method 0 (SoftSort) the softmax of
    -|s_[r] - s_j| / T, with 1 (NeuralSort) of ((K + 1 - 2 r) s_j - sum_l |s_j - s_l|) / T, T the
    temperature. The paper's P_K is here w on 1 and 1 - w on k. With fewer classes than k, all
    ranks count.
    """

    target = "class_index"

    def __init__(
        self,
        top_k: float = 5.0,
        top1_weight: float = 0.5,
        temperature: float = 2.0,
        method: float = 0.0,
    ):
        super().__init__()
        self.top_k = int(in_range("top_k", top_k, "whole [2, inf)"))
        self.top1_weight = in_range("top1_weight", top1_weight, "[0, 1]")
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.method = in_range("method", method, "whole [0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        values = F.cross_entropy(logits, target, reduction="none")
        if self.top1_weight == 1:
            return values
        label = target[:, None, None].expand(-1, min(self.top_k, logits.shape[1]), 1)
        log_a = torch.log_softmax(self._ranking(logits) / self.temperature, 2)
        log_top = log_a.gather(2, label).squeeze(2).logsumexp(1)
        if self.top1_weight == 0:
            return -log_top
        top1 = math.log(self.top1_weight) - values
        # Not `logaddexp`, whose second derivative is NaN where one of the two is far below.
        return -torch.logsumexp(torch.stack([top1, math.log1p(-self.top1_weight) + log_top]), 0)

    def _ranking(self, s: Tensor) -> Tensor:
        """Scores (N, R, K) of each class for each of the R first ranks."""
        ranks = min(self.top_k, s.shape[1])
        if self.method == 0:
            best = s.topk(ranks, dim=1).values
            return -(best[:, :, None] - s[:, None, :]).abs()
        spread = (s[:, :, None] - s[:, None, :]).abs().sum(2)
        weight = s.shape[1] + 1 - 2 * torch.arange(1, ranks + 1, device=s.device).to(s)
        return weight[:, None] * s[:, None, :] - spread[:, None, :]
