"""Cross-entropy divided by the influence that a sample has on the last layer."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class InfluenceBalanced(CountedLoss):
    """Influence-balanced loss, IB (Park et al., 2021, arXiv:2110.02444).

    w_y alpha CE(s, y) / (|p - e_y|_1 |h|_1 + epsilon), h the features and w_k in proportion to
    1 / n_k, of sum K; the weight is differentiated, as in the official code. Before the share
    `start` of the run it is plain cross-entropy.
    """

    target = "class_index"

    def __init__(self, alpha: float = 1000.0, epsilon: float = 0.001, start: float = 0.5):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[1, inf)")
        self.epsilon = in_range("epsilon", epsilon, "(0, inf)")
        self.start = in_range("start", start, "[0, 1]")

    def per_sample(
        self, logits: Tensor, target: Tensor, *, progress: float, features: Tensor
    ) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and features (N, D)."""
        odds = quantities.log_odds(logits, target)
        value = -F.logsigmoid(odds)
        if progress < self.start:
            return value
        rarity = 1 / self.class_counts
        weight = len(rarity) * rarity / rarity.sum()
        influence = 2 * torch.sigmoid(-odds) * features.to(logits).abs().sum(1)
        return weight.to(logits)[target] * self.alpha * value / (influence + self.epsilon)
