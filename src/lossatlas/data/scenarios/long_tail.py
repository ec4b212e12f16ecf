"""Each class has fewer training images than the one before it, the first has imbalance times as
many as the last.

Class k keeps floor(n imbalance^(-k/(K-1))) of its images, or all if it has fewer, where n is the
size of the largest class: of CIFAR-10 at imbalance 100 5000, 2997, 1796, 1077, 645, 387, 232, 139,
83, 50. Labels stay true.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from lossatlas.data.scenarios import by_class, floor, some
from lossatlas.errors import UserError
from lossatlas.legal import number


@dataclass
class Parameters:
    imbalance: float = number("[1, 1e6]", 100.0)  # size of the largest class over the smallest


def rows(
    labels: Tensor, classes: Sequence[str], generator: Generator, *, imbalance: float
) -> Tensor:
    """A larger imbalance leaves fewer of the same images."""
    k = len(classes)
    largest = int(torch.bincount(labels, minlength=k).max())
    kept = [
        rows[: floor(largest * imbalance ** (-i / (k - 1)))]
        for i, rows in enumerate(by_class(labels, k, generator))
    ]
    if empty := [name for name, rows in zip(classes, kept, strict=True) if not len(rows)]:
        raise UserError(
            f"imbalance {imbalance:g} leaves no image of class {some(empty)} (the largest class "
            f"has {largest}); lower it, or raise recipe.train_limit"
        )
    return torch.cat(kept).sort().values
