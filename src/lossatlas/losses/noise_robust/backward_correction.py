"""A combination of the log losses of all labels whose mean over the noise is the clean loss."""

import torch
from torch import Tensor

from lossatlas.errors import UserError
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class BackwardCorrection(LogitLoss):
    """Backward correction (Patrini et al., 2017, arXiv:1609.03683): sum_k (T^-1)_yk (-log p_k).

    T_ij is the probability that class i is labelled j. In the mean over the labels of a class the
    value is the cross-entropy to that class.
    """

    target = "class_index"
    inverse: Tensor

    def setup(self, *, transition: Tensor) -> None:
        """Takes T, (K, K) float64, a row for each true class; keeps its inverse.

        Raises:
            UserError: T has none.
        """
        if torch.linalg.matrix_rank(transition) < len(transition):
            raise UserError(f"transition must have an inverse, unlike {transition.tolist()}")
        self.register_buffer("inverse", torch.linalg.inv(transition))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and observed class indices (N,)."""
        return -(self.inverse.to(logits)[target] * torch.log_softmax(logits, 1)).sum(1)
