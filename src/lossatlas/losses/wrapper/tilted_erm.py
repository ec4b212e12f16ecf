"""Any loss, with a batch's mean tilted towards its smallest or its largest values."""

from typing import Any

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import Loss, Wrapper
from lossatlas.losses.registry import register


@register
class TiltedERM(Wrapper):
    """Tilted empirical risk (Li et al., 2021, arXiv:2007.01162): (1/t) log mean_i exp(t l_i).

    The mean of the batch at t = 0.

    Raises:
        ValueError: the wrapped loss has no value a sample.
    """

    target = "class_index"
    per = "batch"

    def __init__(self, loss: Loss | str = "cross_entropy", t: float = -2.0):
        super().__init__(loss)
        if self.loss.per != "sample":
            raise ValueError("loss must have a value a sample; this one has one a batch")
        self.t = in_range("t", t, "(-inf, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, **moments: Any) -> Tensor:
        """One value () for logits (N, K) and targets of the wrapped loss."""
        values = self.wrapped(logits, target, **moments)
        if self.t == 0:
            return values.mean()
        # Relative to the value that weighs most; as log(1 + small), so that a small t is exact.
        top = values.amax() if self.t > 0 else values.amin()
        return top + torch.expm1(self.t * (values - top)).mean().log1p() / self.t
