"""This share of each class's labels is replaced by one of the other classes, drawn uniformly.

Exactly the share, rounded down, and it is the share of wrong labels. (Under the convention that
draws from all K classes one in K of the replaced labels would be right again.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from lossatlas.data.scenarios import lift, partly
from lossatlas.legal import number


@dataclass
class Parameters:
    probability: float = number("[0, 1]", 0.4)


def targets(
    labels: Tensor, kind: str, classes: Sequence[str], generator: Generator, *, probability: float
) -> Tensor:
    """A larger share changes more of the same labels."""
    k = len(classes)
    other = (labels + torch.randint(1, k, labels.shape, generator=generator)) % k
    return lift(partly(probability, other, labels, k, generator), kind, k)
