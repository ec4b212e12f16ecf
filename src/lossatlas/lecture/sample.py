"""Where the statements are tested: scores, labels, label sets, distributions and shifts."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from lossatlas.theory import design

CLASSES = (2, 3, 10)
REACH = 1000.0  # the largest number that is added to all scores
FAR = 800.0  # exp(-800) is zero in float64


class Sample(NamedTuple):
    """About 20,000 points with the same number of classes K; everything is float64 but for y, S.

    Attributes:
        s: scores (N, K), with ties, corners and scales from 0.01 to 30.
        y: labels (N,) int64.
        sets: acceptable classes (N, K) bool, 1 to K - 1 of them, the label among them.
        q: distributions (N, K); a third has zeros, and some are all but certain.
        shift: numbers (N, 1) in [-1000, 1000].
    """

    s: Tensor
    y: Tensor
    sets: Tensor
    q: Tensor
    shift: Tensor

    @property
    def k(self) -> int:
        """The number of classes."""
        return self.s.shape[1]

    @property
    def size(self) -> Tensor:
        """The largest absolute score of each point, (N,)."""
        return self.s.abs().amax(1)


@cache
def samples() -> tuple[Sample, ...]:
    """The same samples at each call, for 2, 3 and 10 classes."""
    return tuple(_sample(k) for k in CLASSES)


def _sample(k: int) -> Sample:
    s, y = design.points(k)
    g = design.generator(k)
    rank = torch.rand(s.shape, generator=g).scatter(1, y[:, None], -1.0).argsort(1).argsort(1)
    size = torch.randint(1, k, (len(s), 1), generator=g)
    sets = rank < size
    q = torch.softmax(torch.randn(s.shape, generator=g).double() * 3, 1)
    q[::3] = q[::3] * sets[::3] / (q[::3] * sets[::3]).sum(1, keepdim=True)
    shift = (torch.rand(len(s), 1, generator=g).double() * 2 - 1) * REACH
    return Sample(s, y, sets, q, shift)


def values(name: str, scores: Tensor, target: Tensor | None, **hyperparameters: float) -> Tensor:
    """The packaged loss `name`, one value per row."""
    from lossatlas.losses.registry import get_loss

    return get_loss(name, "none", **hyperparameters)(scores, target)
