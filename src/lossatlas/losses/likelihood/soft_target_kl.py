"""Kullback-Leibler divergence from a soft target to the softmax."""

import torch
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SoftTargetKL(LogitLoss):
    """KL(q || p) (Kullback & Leibler, 1951): sum_k q_k log(q_k / p_k), with 0 log 0 = 0.

    The gradient in the logits is p - q, the same as that of the soft cross-entropy; in the target
    it is log(q_k / p_k) + 1, which is minus infinity at q_k = 0.
    """

    target = "distribution"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and rows of probabilities (N, K)."""
        q = target.to(logits.dtype)
        log_p = torch.log_softmax(logits, 1)
        # A class with q = 0 costs nothing, also where its log-probability is minus infinity.
        cross = q * torch.where(q > 0, log_p, 0.0)
        return -torch.special.entr(q).sum(1) - cross.sum(1)
