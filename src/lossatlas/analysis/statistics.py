"""Small pure statistics of a survey: cells, differences of arms, equivalence, Holm.

Every function takes numbers and returns numbers; None stands for what the data cannot give (an
interval of one seed, a test without spread), so that no NaN reaches a page. Why these tests and
no others is simulated in docs/statistics.md.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special  # scipy.stats would double the time of its import

ALPHA = 0.05
POWER = 0.8
SAME = 1e-12  # values closer than this are equal: accuracies are multiples of 1e-4
LEAST = 3  # seeds of either arm without which nothing is said of their difference
BASELINE_SEEDS = 8  # whose scatter is in every difference of a scenario
LEAST_ARMS = 5  # with fewer, nobody knows how variances differ: each stands for itself
LEAST_PAIRS = 5  # seeds from which the difference by pairs is shown beside


class Cell(NamedTuple):
    """The seeds of one loss in one scenario: a mean with its t-interval."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


class Prior(NamedTuple):
    """What the variances of all arms say of the next one: its centre, and how many degrees of
    freedom that is worth (0: nothing, infinite: all arms have one variance); `total` is the
    degrees of freedom of all arms together, more than which no variance can be known by."""

    variance: float
    df: float
    total: float


class Difference(NamedTuple):
    """A loss minus the baseline: n seeds against m (n pairs: m = n), the mean, its standard error
    with degrees of freedom, the 95 % t-interval and the two-sided p."""

    n: int
    m: int
    mean: float | None
    se: float | None = None
    df: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def side(self) -> str:
        """Where the interval lies: `higher` or `lower` than 0, or empty if it holds 0."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return ""
        return "higher" if self.low > 0 else "lower"


def cell(values: Sequence[float]) -> Cell:
    """Mean, sd (n - 1) and 95 % t-interval of the finite values.

    One value gives no sd and no interval; equal values give sd 0 and no interval, since a spread
    that was not seen cannot be said to be zero.
    """
    finite = _finite(values)
    n = len(finite)
    if n < 2:
        return Cell(n, finite[0] if finite else None, None, None, None)
    mean, variance = _moments(finite)
    sd = math.sqrt(variance)
    if sd < SAME:
        return Cell(n, mean, 0.0, None, None)
    half = _critical(n - 1) * sd / math.sqrt(n)
    return Cell(n, mean, sd, mean - half, mean + half)


def prior(arms: Sequence[Sequence[float]]) -> Prior | None:
    """The scaled inverse chi-squared distribution that the arms' variances are drawn from.

    By the moments of their logarithms (Smyth, 2004, doi:10.2202/1544-6115.1027, section 6.2).
    None where no arm has spread; fewer than `LEAST_ARMS` arms are worth no degrees of freedom.
    Variances of zero, and of less than 1e-5 of the median, are put there, as limma does.
    """
    finite = [one for one in map(_finite, arms) if len(one) > 1]
    variances = np.array([_moments(one)[1] for one in finite])
    df = np.array([len(one) - 1.0 for one in finite])
    if not len(df) or variances.max() < SAME**2:
        return None
    total = float(df.sum())
    typical = float(np.median(variances)) or float(variances.mean())
    if len(df) < LEAST_ARMS:
        return Prior(typical, 0.0, total)
    e = np.log(np.maximum(variances, 1e-5 * typical))
    e += np.log(df / 2) - special.digamma(df / 2)
    centre = float(e.mean())
    excess = float(e.var(ddof=1) - special.polygamma(1, df / 2).mean())
    if excess <= 0:
        return Prior(float(variances @ df) / total, math.inf, total)
    d0 = 2 * trigamma_inverse(excess)
    return Prior(float(math.exp(centre + special.digamma(d0 / 2) - math.log(d0 / 2))), d0, total)


def moderated(variance: float, df: float, told: Prior) -> tuple[float, float]:
    """A variance of `df` degrees of freedom, drawn towards that of all arms (Smyth, 2004, eq. 4),
    and the degrees of freedom that it is then known by."""
    if math.isinf(told.df):
        return told.variance, told.total
    drawn = (told.df * told.variance + df * variance) / (told.df + df)
    return drawn, min(told.df + df, told.total)


def by_arms(
    ours: Sequence[float], baseline: Sequence[float], told: Prior | None, larger: bool = True
) -> Difference:
    """Welch's difference of two arms, each variance the larger of its own and the moderated one.

    The larger, because a loss that scatters more than the others must not borrow their calm
    (`larger=False` lets it, for the simulation that shows why not). Fewer than `LEAST` finite
    values in an arm, or no spread in any arm of the scenario (`told` is None) or in these two,
    give no interval.
    """
    a, b = _finite(ours), _finite(baseline)
    if not a or not b:
        return Difference(len(a), len(b), None)
    moments = _moments(a), _moments(b)
    mean = moments[0][0] - moments[1][0]
    if min(len(a), len(b)) < LEAST or told is None:
        return Difference(len(a), len(b), mean)
    parts = []
    for n, (_, own) in zip((len(a), len(b)), moments, strict=True):
        drawn, df = moderated(own, n - 1, told)
        parts.append(((max(own, drawn) if larger else drawn) / n, df))
    squared = sum(part for part, _ in parts)
    if squared < SAME**2:
        return Difference(len(a), len(b), mean)
    df = squared**2 / sum(part**2 / df for part, df in parts)
    return _difference(len(a), len(b), mean, math.sqrt(squared), df)


def reach_best(differences: Sequence[Difference], best: int, higher: bool = True) -> list[bool]:
    """Whether each one's interval reaches the `best`-th best mean of all; one without does not.

    The baseline has a place among the best: its difference is 0 and has no mean here.
    """
    sign = 1 if higher else -1
    means = sorted((0.0, *(sign * d.mean for d in differences if d.mean is not None)))
    bar = means[-best:][0]
    ends = (d.high if higher else d.low for d in differences)
    return [end is not None and sign * end >= bar for end in ends]


def paired(ours: Mapping[int, float], baseline: Mapping[int, float]) -> Difference:
    """Differences over the seeds that both have: Student's paired t, from `LEAST` pairs on."""
    pairs = [(ours[s], baseline[s]) for s in sorted(set(ours) & set(baseline))]
    n, mean, sd, _, _ = cell([a - b for a, b in pairs if len(_finite((a, b))) == 2])
    if mean is None or not sd or n < LEAST:
        return Difference(n, n, mean)
    return _difference(n, n, mean, sd / math.sqrt(n), n - 1)


def p_equivalent(difference: Difference, margin: float) -> float | None:
    """The larger p of two one-sided tests (Schuirmann, 1987) of "the true difference lies beyond
    -margin" and "beyond +margin"; below `ALPHA` / 2 the 95 % interval lies within the margin."""
    mean, se, df = difference.mean, difference.se, difference.df
    if mean is None or se is None or df is None:
        return None
    return float(special.stdtr(df, -(margin - abs(mean)) / se))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) adjusted p-values in the order given; None stays None and is not counted."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = highest
    return adjusted


def detectable(difference: Difference) -> float | None:
    """The true difference that a two-sided test at level 0.05 with this standard error finds in
    80 % of surveys.

    From the noncentral t; the rejections on the wrong side are left out, which at power 0.8
    changes nothing that is printed.
    """
    if difference.se is None or difference.df is None:
        return None
    return _noncentrality(difference.df) * difference.se


def conclusion(difference: Difference, p_holm: float | None, margin: float | None) -> str:
    """What a difference shows, in the words of tables.

    `higher`, `lower` (after Holm), else `equivalent` (its 95 % interval lies within the margin,
    where the metric has one), else `not resolved`; `too few seeds`, `no test` (no spread) or
    `not compared` (no value of one of the two).
    """
    if difference.mean is None:
        return "not compared"
    if min(difference.n, difference.m) < LEAST:
        return "too few seeds"
    if p_holm is None:
        return "no test"
    if p_holm < ALPHA:
        return "higher" if difference.mean > 0 else "lower"
    return "equivalent" if is_within(difference, margin) else "not resolved"


def is_within(difference: Difference, margin: float | None) -> bool:
    """Whether the 95 % interval lies within the margin on both sides."""
    if margin is None:
        return False
    p = p_equivalent(difference, margin)
    return p is not None and p < ALPHA / 2


def trigamma_inverse(x: float) -> float:
    """The y > 0 with trigamma(y) = x > 0, by Newton's method on 1 / trigamma (Smyth, 2004)."""
    y = 0.5 + 1 / x
    for _ in range(50):
        value = float(special.polygamma(1, y))
        step = value * (1 - value / x) / float(special.polygamma(2, y))
        y += step
        if abs(step) < 1e-10 * y:
            break
    return y


def _difference(n: int, m: int, mean: float, se: float, df: float) -> Difference:
    half = _critical(df) * se
    p = float(2 * special.stdtr(df, -abs(mean) / se))
    return Difference(n, m, mean, se, df, mean - half, mean + half, p)


# Kept, because thousands of cells share a few degrees of freedom.
@lru_cache(4096)
def _critical(df: float) -> float:
    """What a t of `df` degrees of freedom exceeds on either side with probability 0.05 in all."""
    return float(special.stdtrit(df, 1 - ALPHA / 2))


@lru_cache(4096)
def _noncentrality(df: float) -> float:
    """The true mean, in standard errors, at which that is exceeded with probability `POWER`."""
    return float(special.nctdtrinc(df, 1 - POWER, _critical(df)))


def _finite(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """Mean and variance (n - 1; of one value 0), in plain Python: numpy takes ten times as long
    for a handful of numbers."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
