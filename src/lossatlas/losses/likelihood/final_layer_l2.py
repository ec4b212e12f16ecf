"""Cross-entropy plus a penalty on the class weights of the last layer."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class FinalLayerL2(LogitLoss):
    """Extra final-layer L2 (Kornblith et al., NeurIPS 2021, arXiv:2010.16402).

    The batch's mean of CE(s, y), plus lam / 2 times the sum of the squared class weights.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, lam: float = 8e-4):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, head_weight: Tensor) -> Tensor:
        """The value () of the batch: logits (N, K), class indices (N,), class weights (K, D)."""
        penalty = self.lam / 2 * head_weight.square().sum()
        return F.cross_entropy(logits, target) + penalty.to(logits)
