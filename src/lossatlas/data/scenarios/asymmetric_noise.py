"""This share of five classes is taken for what it resembles: trucks for automobiles, birds for
airplanes, deer for horses, cats for dogs and dogs for cats.

Exactly the share of each of these classes, rounded down; of CIFAR-10 they are half, so half the
share of all labels is wrong. Below 0.5 the right label stays the most frequent one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from lossatlas.data.scenarios import lift, partly
from lossatlas.legal import number

CONFUSED = {
    "truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat",
}  # fmt: skip
NEEDS = tuple(dict.fromkeys([*CONFUSED, *CONFUSED.values()]))


@dataclass
class Parameters:
    probability: float = number("[0, 1]", 0.4)


def targets(
    labels: Tensor, kind: str, classes: Sequence[str], generator: Generator, *, probability: float
) -> Tensor:
    """A larger share changes more of the same labels."""
    other = torch.tensor([classes.index(CONFUSED.get(name, name)) for name in classes])[labels]
    wrong = partly(probability, other, labels, len(classes), generator)
    return lift(wrong, kind, len(classes))
