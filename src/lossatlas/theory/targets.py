"""Targets of every kind, by number, so that one search serves all losses of logits.

A class index stands for itself. Label sets and distributions have more to them than their lifted
class indices: a hinge that is convex for one-element sets need not be so for larger ones.
"""

from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossatlas.losses.kinds import KINDS
from lossatlas.theory.subject import Subject


class Numbered(NamedTuple):
    """A subject that takes numbers 0 to n - 1 for targets, and what they stand for."""

    subject: Subject
    n: int
    table: Tensor | None

    def target(self, number: int) -> Any:
        """The target of that number as a witness holds it."""
        return number if self.table is None else self.table[number].tolist()

    def cycle(self, points: int) -> Tensor:
        """Numbers (points,) that run through all targets again and again."""
        return torch.arange(points) % self.n


def numbered(subject: Subject) -> Numbered:
    """The subject with its targets numbered.

    Label sets are those of one and of two classes; distributions are the one-hot ones, the uniform
    one, and halves on two classes.
    """

    def compute() -> Numbered:
        if not KINDS[subject.target].several:
            return Numbered(subject, subject.k, None)
        one = torch.eye(subject.k, dtype=torch.bool)
        pairs = [one[i] | one[j] for i, j in combinations(range(subject.k), 2)]
        sets = torch.stack([*one, *(pairs if subject.k > 2 else [])])
        table = sets
        if subject.target == "distribution":
            table = torch.cat([sets, torch.ones(1, subject.k, dtype=torch.bool)]).double()
            table /= table.sum(1, keepdim=True)
        plain = Subject(subject.name, lambda s, i: subject.function(s, table[i]), k=subject.k)
        return Numbered(plain, len(table), table)

    return subject.memo("numbered", compute)
