"""Small pure statistics of a survey: cells, paired differences, Holm, and what could be detected.

Every function takes numbers and returns numbers; None stands for what the data cannot give (an
interval of one seed, a test without spread), so that no NaN reaches a page.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special  # scipy.stats would double the time of its import

ALPHA = 0.05
POWER = 0.8
SAME = 1e-12  # values closer than this are equal: accuracies are multiples of 1e-4


class Cell(NamedTuple):
    """The seeds of one loss in one scenario: a mean with its t-interval."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


class Difference(NamedTuple):
    """Paired by seed, loss minus baseline: n pairs, t-interval, two-sided p of a paired t-test."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    p: float | None
    detectable: float | None


def cell(values: Sequence[float]) -> Cell:
    """Mean, sd (n - 1) and 95 % t-interval of the finite values.

    One value gives no sd and no interval; equal values give sd 0 and no interval, since a spread
    that was not seen cannot be said to be zero.
    """
    finite = [float(value) for value in values if value is not None and math.isfinite(value)]
    n = len(finite)
    if n < 2:
        return Cell(n, finite[0] if finite else None, None, None, None)
    mean, sd = float(np.mean(finite)), float(np.std(finite, ddof=1))
    if sd < SAME:
        return Cell(n, mean, 0.0, None, None)
    half = _critical(n, ALPHA) * sd / math.sqrt(n)
    return Cell(n, mean, sd, mean - half, mean + half)


def paired(ours: Mapping[int, float], baseline: Mapping[int, float]) -> Difference:
    """Differences over the seeds that both have (Student's paired t; see `cell` for None)."""
    seeds = [s for s in sorted(set(ours) & set(baseline)) if _finite(ours[s], baseline[s])]
    n, mean, sd, low, high = cell([ours[s] - baseline[s] for s in seeds])
    if mean is None or sd is None or low is None:
        return Difference(n, mean, sd, low, high, None, None)
    p = float(2 * special.stdtr(n - 1, -abs(mean) / (sd / math.sqrt(n))))
    return Difference(n, mean, sd, low, high, p, detectable(sd, n))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) adjusted p-values in the order given; None stays None and is not counted."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = highest
    return adjusted


def detectable(sd: float, n: int, alpha: float = ALPHA, power: float = POWER) -> float | None:
    """The true difference that a two-sided paired t-test finds with the given power.

    `sd` is the standard deviation of the n paired differences. From the noncentral t; the
    rejections on the wrong side are left out, which at power 0.8 changes nothing that is printed.
    """
    if n < 2 or sd < SAME:
        return None
    return _noncentrality(n, alpha, power) * sd / math.sqrt(n)


# Kept, because thousands of cells share a few numbers of seeds.
@cache
def _critical(n: int, alpha: float) -> float:
    """What the t of n values exceeds on either side with probability `alpha` in all."""
    return float(special.stdtrit(n - 1, 1 - alpha / 2))


@cache
def _noncentrality(n: int, alpha: float, power: float) -> float:
    """The true mean, in standard errors, at which that is exceeded with probability `power`."""
    return float(special.nctdtrinc(n - 1, 1 - power, _critical(n, alpha)))


def conclusion(difference: Difference, p_holm: float | None) -> str:
    """`higher`, `lower`, `not resolved`, `no test` (one seed or no spread) or `no pair`."""
    if difference.mean is None:
        return "no pair"
    if p_holm is None:
        return "no test"
    if p_holm >= ALPHA:
        return "not resolved"
    return "higher" if difference.mean > 0 else "lower"


def _finite(*values: float) -> bool:
    return all(value is not None and math.isfinite(value) for value in values)
