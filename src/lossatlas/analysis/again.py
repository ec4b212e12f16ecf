"""Whether the statements of one folder of runs hold in another, made on another machine."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from lossatlas.analysis import statistics
from lossatlas.analysis.arms import Condition, Found, Result

OUTCOMES = ("holds", "not confirmed", "turned over", "not there")
SAYS = ("higher", "lower", "equivalent", "not resolved")  # conclusions that are statements


class Again(NamedTuple):
    """A statement, here and there; `outcome` is one of `holds` (the intervals overlap and the
    conclusion is the same), `turned over` (neither), `not confirmed` (one of the two) and
    `not there`.

    The sign is part of the conclusion where a difference has one: of what is equivalent or not
    resolved it is chance. `there` is concluded among as many losses as `here`: its p takes the
    place of the one here in Holm's correction.
    """

    condition: Condition
    here: Result
    there: Result | None
    outcome: str


def compare(here: Found, there: Found) -> list[Again]:
    """Each statement of `here` beside the one of `there` about the same loss in the same place."""
    others = {
        (_place(condition), one.arm.label): one
        for condition, results in there
        for one in results
        if one.conclusion in SAYS
    }
    found = []
    for condition, results in here:
        place = _place(condition)
        for one, other in zip(results, _among(condition, results, others, place), strict=True):
            if one.conclusion in SAYS:
                outcome = "not there" if other is None else _outcome(one, other)
                found.append(Again(condition, one, other, outcome))
    return found


def _among(
    condition: Condition,
    results: Sequence[Result],
    others: dict[tuple[tuple[object, ...], str], Result],
    place: tuple[object, ...],
) -> list[Result | None]:
    """For each result the one of the others, concluded in its place; None where there is none."""
    told = [others.get((place, one.arm.label)) for one in results]
    both = [one if other is None else other for one, other in zip(results, told, strict=True)]
    margin = condition.measure.margin
    return [
        other
        and replace(other, p_holm=p, conclusion=statistics.conclusion(other.difference, p, margin))
        for other, p in zip(told, statistics.holm([one.difference.p for one in both]), strict=True)
    ]


def _place(condition: Condition) -> tuple[object, ...]:
    names = (condition.setting, condition.recipe, condition.model, condition.data)
    return (condition.judge.key, *names)


def _outcome(one: Result, other: Result) -> str:
    a, b = one.difference, other.difference
    if a.low is None or a.high is None or b.low is None or b.high is None:
        raise AssertionError("a statement has an interval")
    agreements = (a.low <= b.high and b.low <= a.high) + (one.conclusion == other.conclusion)
    return ("turned over", "not confirmed", "holds")[agreements]
