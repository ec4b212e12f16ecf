"""With this probability the label of a cat or dog is unclear: a loss on sets is told both, a loss
on distributions half of each, a loss on class indices one of the two at random.

The lecture's example.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from lossatlas.data.scenarios import lift
from lossatlas.legal import number
from lossatlas.losses.kinds import KINDS

NEEDS = ("cat", "dog")


@dataclass
class Parameters:
    probability: float = number("[0, 1]", 0.5)


def targets(
    labels: Tensor, kind: str, classes: Sequence[str], generator: Generator, *, probability: float
) -> Tensor:
    """The same images have an unclear label for every kind of loss."""
    cat, dog = map(classes.index, NEEDS)
    pets = (labels == cat) | (labels == dog)
    unclear = pets & (torch.rand(len(labels), generator=generator) < probability)
    coin = torch.rand(len(labels), generator=generator) < 0.5
    if not KINDS[kind].several:
        labels = torch.where(unclear, torch.where(coin, cat, dog), labels)
        return lift(labels, kind, len(classes))
    sets = lift(labels, "label_set", len(classes))
    sets[unclear, cat] = sets[unclear, dog] = True
    return lift(sets, kind, len(classes))
