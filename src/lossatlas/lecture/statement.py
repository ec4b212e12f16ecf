"""What a statement of the lecture is, and how a machine decides whether its numbers agree."""

import inspect
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lossatlas.lecture.sample import Sample, samples

ROUNDING = 1e-12  # some thousand units of the last place of float64


class Relation(NamedTuple):
    """`left` compared with `right`, number by number.

    Attributes:
        says: the relation as a line of Markdown.
        left: any shape, float64.
        sign: what is asserted.
        right: as `left`, or broadcast to it.
        scale: size of the numbers that were added up on the way, whose rounding counts; the larger
            of 1, |left|, |right| and this divides every violation.
        tolerance: the largest violation that passes.
    """

    says: str
    left: Tensor
    sign: Literal["<=", "=="]
    right: Tensor
    scale: Tensor | float = 1.0
    tolerance: float = ROUNDING


class Outcome(NamedTuple):
    """A relation, decided: it holds if `worst`, the largest violation at n points, is tolerable.

    A negative worst means that left stayed below right everywhere.
    """

    says: str
    n: int
    worst: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """False also where a comparison came out as NaN."""
        return self.worst <= self.tolerance


class Statement(NamedTuple):
    """One statement: a title, a formula in LaTeX, and the function that yields its relations."""

    id: str
    title: str
    formula: str
    relations: Callable[[Sample], Iterable[Relation]]

    @property
    def words(self) -> str:
        """Meaning and reason, in Markdown: the docstring of the check."""
        return inspect.cleandoc(self.relations.__doc__ or "")


def statement(
    title: str, formula: str
) -> Callable[[Callable[[Sample], Iterable[Relation]]], Statement]:
    """Make a function that yields relations into the statement with its name and docstring."""

    def make(relations: Callable[[Sample], Iterable[Relation]]) -> Statement:
        return Statement(relations.__name__, title, formula, relations)

    return make


def decide(one: Statement) -> list[Outcome]:
    """Evaluate all relations of a statement on the samples of every number of classes.

    Raises:
        ValueError: a relation has no point to be tested at.
    """
    held: dict[str, list[tuple[Tensor, float]]] = {}
    for sample in samples():
        for relation in one.relations(sample):
            violations = _violations(relation)
            held.setdefault(relation.says, []).append((violations, relation.tolerance))
    found = []
    for says, parts in held.items():
        violations = torch.cat([part for part, _ in parts])
        if not len(violations):
            raise ValueError(f"statement {one.id}: {says!r} is tested at no point")
        found.append(Outcome(says, len(violations), violations.max().item(), parts[0][1]))
    return found


def _violations(relation: Relation) -> Tensor:
    left, right = torch.broadcast_tensors(relation.left, relation.right)
    excess = left - right if relation.sign == "<=" else (left - right).abs()
    size = torch.maximum(left.abs(), right.abs()).clamp_min(1)
    return (excess / torch.maximum(size, torch.as_tensor(relation.scale).to(size))).flatten()
