"""Label smoothing whose wrong classes count by a power of their probability."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AslSingleLabel(LogitLoss):
    """Asymmetric loss for one label (code of Ridnik et al., 2021, arXiv:2009.14119).

    -sum_k t_k w_k log p_k, with t the label smoothed by eps over all classes, the label's weight
    (1 - p_y)^gamma_pos and those of the others p_k^gamma_neg. The weights are differentiated.
    """

    target = "class_index"

    def __init__(self, gamma_pos: float = 0.0, gamma_neg: float = 4.0, eps: float = 0.1):
        super().__init__()
        self.gamma_pos = in_range("gamma_pos", gamma_pos, "[0, inf)")
        self.gamma_neg = in_range("gamma_neg", gamma_neg, "[0, inf)")
        self.eps = in_range("eps", eps, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        # In float64: at a confident mistake a slope is what two large ones differ by.
        scores = logits.double()
        log_p = torch.log_softmax(scores, 1)
        label = quantities.of_label(log_p, target)
        if self.gamma_pos:
            miss = F.logsigmoid(-quantities.log_odds(scores, target))
            label = torch.exp(self.gamma_pos * miss) * label
        wrong = quantities.with_label(log_p, target, 0)  # which adds nothing
        others = (torch.exp(self.gamma_neg * wrong) * wrong).sum(1)
        share = self.eps / logits.shape[1]
        return -((1 - self.eps + share) * label + share * others).to(logits.dtype)
