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


def kept(tried: Mapping[int, float | None], n: int, near: int) -> int | None:
    """The step to keep: of those within a standard error of the best the nearest to `near`.

    Of two as near it is the smaller; None if all diverged. What one run with one seed puts a
    little higher is often the worse one, so a second opinion, `near`, decides what it cannot.
    """
    scored = {step: score for step, score in tried.items() if score is not None}
    if not scored:
        return None
    steps = list(scored)
    tied = [steps[i] for i in nearly_best(list(scored.values()), n)]
    return min(tied, key=lambda step: (abs(step - near), step))


def ask(
    tried: Mapping[int, float | None], first: Sequence[int], keep: int | None = None
) -> list[int]:
    """The steps of a lattice to try next: `first`, then beyond the best and the one to `keep`.

    Empty once both neighbours of these were tried, or lie beyond REACH, or once the smallest step
    within REACH diverged with all others.
    """
    if new := [step for step in first if step not in tried]:
        return new
    tops = {step for step in (best(tried), keep) if step is not None}
    around = {top + side for top in tops for side in (-1, 1)} or {min(tried) - 1}
    return sorted(step for step in around if step not in tried and abs(step) <= REACH)


def doubt(tried: Mapping[int, float | None], n: int, keep: int | None) -> str | None:
    """What is to be said of the choice of `keep`, if anything; scores are shares of n images."""
    if keep is None:
        return "every trial diverged"
    if not {keep - 1, keep + 1} <= set(tried):
        return "at the edge of what is tried"
    scores = [score for score in tried.values() if score is not None]
    return "others score within a standard error" if len(nearly_best(scores, n)) > 1 else None
