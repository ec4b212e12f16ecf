"""Focal loss divided by its sum over all labels."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class NFL(LogitLoss):
    """Normalised focal loss (Ma et al., 2020, arXiv:2006.13554).

    (1 - p_y)^gamma log p_y / sum_k (1 - p_k)^gamma log p_k; the factors are differentiated.
    """

    target = "class_index"

    def __init__(self, gamma: float = 0.5):
        super().__init__()
        self.gamma = in_range("gamma", gamma, "[0, 100]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        # log(1 - p_k): only the largest p can round to one, and there the others are summed.
        top = log_p.argmax(1, keepdim=True)
        log_rest = torch.log1p(-log_p.exp().scatter(1, top, 0))
        rest = log_p.scatter(1, top, float("-inf")).logsumexp(1, keepdim=True)
        focal = torch.exp(self.gamma * log_rest.scatter(1, top, rest)) * log_p
        return focal.gather(1, target[:, None]).squeeze(1) / focal.sum(1)
