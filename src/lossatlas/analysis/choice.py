"""Choices by scores on held-out images: what to try next, what to keep, what cannot be told apart.

Scores are shares of n images, None where a run diverged.
"""

import math
from collections.abc import Mapping, Sequence

REACH = 8  # steps of the lattice of rates, to either side of 0


def standard_error(score: float, n: int) -> float:
    """The binomial standard error of a share of n images."""
    return math.sqrt(score * (1 - score) / n)


def nearly_best(scores: Sequence[float], n: int) -> list[int]:
    """The one-standard-error rule: where `scores` (shares of n images) can not be told from the
    best, that is, lie within one binomial standard error of it."""
    top = max(scores)
    return [i for i, score in enumerate(scores) if score >= top - standard_error(top, n)]


def best(tried: Mapping[int, float | None]) -> int | None:
    """The step of the highest score, of equal ones the smallest; None if all diverged."""
    scored = [(-score, step) for step, score in tried.items() if score is not None]
    return min(scored)[1] if scored else None


def ask(tried: Mapping[int, float | None], first: Sequence[int]) -> list[int]:
    """The steps of a lattice to try next: `first`, then beyond the best while it is at an edge.

    Empty once both neighbours of the best were tried, or lie beyond REACH, or once the smallest
    step within REACH diverged with all others.
    """
    if new := [step for step in first if step not in tried]:
        return new
    top = best(tried)
    around = [min(tried) - 1] if top is None else [top - 1, top + 1]
    return [step for step in around if step not in tried and abs(step) <= REACH]


def doubt(tried: Mapping[int, float | None], n: int) -> str | None:
    """What is to be said of the choice of the best, if anything; scores are shares of n images."""
    top = best(tried)
    if top is None:
        return "every trial diverged"
    if not {top - 1, top + 1} <= set(tried):
        return "at the edge of what is tried"
    scored = {step: score for step, score in tried.items() if score is not None}
    steps = list(scored)
    others = [steps[i] for i in nearly_best(list(scored.values()), n) if steps[i] != top]
    return "others score within a standard error" if others else None
