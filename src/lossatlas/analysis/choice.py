"""Which settings can not be told from the best by their scores on held-out images."""

import math
from collections.abc import Sequence


def standard_error(score: float, n: int) -> float:
    """The binomial standard error of a share of n images."""
    return math.sqrt(score * (1 - score) / n)


def nearly_best(scores: Sequence[float], n: int) -> list[int]:
    """The one-standard-error rule: where `scores` (shares of n images) can not be told from the
    best, that is, lie within one binomial standard error of it."""
    top = max(scores)
    return [i for i, score in enumerate(scores) if score >= top - standard_error(top, n)]
