"""Normalised cross-entropy plus a normalised loss of what the label is not."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class ANLCE(LogitLoss):
    """Active negative loss ANL-CE (Ye et al., NeurIPS 2023) without its penalty on the weights.

    alpha NCE + beta (1 - b_y / sum_k b_k), where b_k = log(max(p_k, p_min) / p_min).
    The paper adds delta |w|_1 over all weights of the model, which is no function of the logits.
    """

    target = "class_index"

    def __init__(self, alpha: float = 5.0, beta: float = 5.0, p_min: float = 1e-7):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.beta = in_range("beta", beta, "[0, inf)")
        self.p_min = in_range("p_min", p_min, "(0, 1e-4]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        log_p = torch.log_softmax(logits, 1)
        least = math.log(self.p_min)
        above = (log_p - least).relu()  # in the definition; the active part has no such bound
        active = quantities.of_label(log_p, target) / log_p.sum(1)
        negative = 1 - quantities.of_label(above, target) / above.sum(1)
        return self.alpha * active + self.beta * negative
