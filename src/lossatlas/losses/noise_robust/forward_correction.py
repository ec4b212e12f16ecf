"""Cross-entropy of the probabilities that the labels as observed would have."""

import torch
from torch import Tensor

from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class ForwardCorrection(LogitLoss):
    """Forward correction (Patrini et al., 2017, arXiv:1609.03683): -log (T^T p)_y for a label y.

    T_ij is the probability that class i is labelled j. Infinite for a label that no class may have.
    """

    target = "class_index"
    transition: Tensor

    def setup(self, *, transition: Tensor) -> None:
        """Takes T, (K, K) float64, a row for each true class."""
        self.register_buffer("transition", transition)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and observed class indices (N,)."""
        log_t = self.transition.T.contiguous().log().to(logits)[target]
        return -torch.logsumexp(torch.log_softmax(logits, 1) + log_t, 1)
