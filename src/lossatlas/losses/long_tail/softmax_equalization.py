"""Cross-entropy whose softmax leaves out rare classes at random."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class SoftmaxEqualization(CountedLoss):
    """Softmax equalization loss (Tan et al., 2020, arXiv:2003.05176), eq. 9 to 11.

    -log(e^{s_y} / sum_k w_k e^{s_k}), w_k = 0 with probability gamma where k is not the label and
    its share of the training samples is below lam, else 1; drawn for each sample and class at each
    call.
    """

    target = "class_index"

    def __init__(self, gamma: float = 0.95, lam: float = 0.05):
        super().__init__()
        self.gamma = in_range("gamma", gamma, "[0, 1]")
        self.lam = in_range("lam", lam, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, randomness: torch.Generator) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        rare = self.class_counts / self.class_counts.sum() < self.lam
        shares = torch.rand(
            logits.shape, generator=randomness, device=logits.device, dtype=torch.float64
        )
        left_out = rare & (shares < self.gamma)
        ahead = quantities.among(quantities.lead(logits, target), ~left_out)
        return quantities.cross_entropy_of_rivals(ahead, target)
