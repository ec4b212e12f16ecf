"""Minus the entropy of the wrong classes, guided by the label's probability."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class GuidedComplementEntropy(LogitLoss):
    """Guided complement entropy (Chen et al., 2019, arXiv:1903.09799).

    p_y^alpha / log(K - left_out) times sum_{j != y} q_j log q_j, where q is the softmax of the
    wrong classes alone. left_out is 1 in the paper (by a reimplementation of it), 0 in its code.
    For two classes the value is 0.
    """

    target = "class_index"

    def __init__(self, alpha: float = 0.333, left_out: float = 1.0):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.left_out = in_range("left_out", left_out, "whole [0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p_y = quantities.of_label(torch.log_softmax(logits, 1), target)
        log_q = quantities.log_softmax_of_rest(logits, target)
        entropy = -(log_q.exp() * log_q).sum(1)
        largest = math.log(logits.shape[1] - self.left_out) or 1.0  # of two classes 0 / 1 is left
        return -torch.exp(self.alpha * log_p_y) * entropy / largest
