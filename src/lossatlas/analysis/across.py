"""What holds over several conditions: ranks, how often a loss is better, and by how much.

A picture of critical differences is left out: Friedman's test behind it takes the conditions as
drawn independently from all there are, and here they are a few chosen ones that share a data set.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lossatlas.analysis.arms import Condition, Found
from lossatlas.analysis.measures import Measure

RESAMPLES = 1000
LEAST_CONDITIONS = 3  # with two, resampling them tells nothing of a third


class Overall(NamedTuple):
    """A loss over all conditions: mean rank (1 is best) with its standard deviation over them, the
    probability that a run of it is better than one of the baseline, and the interquartile mean of
    its runs' differences to the baseline's mean, with a 95 % interval."""

    label: str
    rank: float
    rank_sd: float
    better: float
    iqm: float
    low: float | None
    high: float | None


class Across(NamedTuple):
    """The losses that all conditions (two or more, on one data set) have, the best rank first."""

    conditions: Sequence[Condition]
    losses: Sequence[Overall]
    measure: Measure


Cells = Sequence[tuple[Sequence[float], Sequence[float]]]  # by condition: the loss, the baseline


def summaries(found: Found) -> list[Across]:
    """One summary for each data set with several conditions that have a baseline in numbers."""
    groups: dict[str, list[Condition]] = defaultdict(list)
    for condition, _ in found:
        base = condition.baseline
        if (
            base is not None
            and not condition.judge.untrained
            and base.values(condition.measure.field)
        ):
            groups[condition.data].append(condition)
    return [one for group in groups.values() if (one := _summary(group)) is not None]


def _summary(conditions: Sequence[Condition]) -> Across | None:
    measure = conditions[0].measure
    held = [
        {arm.label: values for arm in c.arms if (values := arm.values(measure.field))}
        for c in conditions
    ]
    bases = [c.baseline.values(measure.field) for c in conditions if c.baseline is not None]
    shared = [label for label in held[0] if all(label in one for one in held)]
    names = {c.baseline.label for c in conditions if c.baseline is not None}
    if len(conditions) < 2 or len(shared) < 2 or not set(shared) - names:
        return None
    means = np.array([[np.mean(one[label]) for label in shared] for one in held])
    # 1 for the best; equal means share their mean rank
    placed = pd.DataFrame(means).rank(axis=1, ascending=not measure.higher_is_better).to_numpy()
    losses = []
    for i, label in enumerate(shared):
        rank, rank_sd = float(placed[:, i].mean()), float(placed[:, i].std(ddof=1))
        if label in names:  # beside itself
            losses.append(Overall(label, rank, rank_sd, 0.5, 0.0, None, None))
            continue
        cells = [(one[label], base) for one, base in zip(held, bases, strict=True)]
        better = np.mean([p_better(*cell, higher=measure.higher_is_better) for cell in cells])
        low, high = interval(cells) or (None, None)
        losses.append(Overall(label, rank, rank_sd, float(better), gain(cells), low, high))
    return Across(conditions, sorted(losses, key=lambda one: (one.rank, one.label)), measure)


def p_better(ours: Sequence[float], theirs: Sequence[float], higher: bool = True) -> float:
    """The share of pairs of runs in which ours is better, ties as half (Mann and Whitney, 1947)."""
    a, b = np.asarray(ours)[:, None], np.asarray(theirs)[None, :]
    wins = a > b if higher else a < b
    return float((wins + 0.5 * (a == b)).mean())


def iqm(values: Sequence[float]) -> float:
    """The interquartile mean: a quarter of the values, rounded down, is cut on either side."""
    ordered = np.sort(np.asarray(values, dtype=float))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def gain(cells: Cells) -> float:
    """The interquartile mean, over all runs, of the difference to the baseline's mean."""
    return iqm(np.concatenate([np.asarray(ours) - np.mean(base) for ours, base in cells]).tolist())


def interval(cells: Cells) -> tuple[float, float] | None:
    """The 95 % percentile interval of `gain`, by a bootstrap on two levels: conditions are drawn
    with replacement, then in each the runs of the loss and those of the baseline (Agarwal et al.,
    2021, arXiv:2108.13264, resample runs only). None for fewer than `LEAST_CONDITIONS`."""
    if len(cells) < LEAST_CONDITIONS:
        return None
    generator = np.random.default_rng(0)
    arrays = [(np.asarray(ours), np.asarray(base)) for ours, base in cells]
    drawn = []
    for _ in range(RESAMPLES):
        chosen = generator.integers(len(arrays), size=len(arrays))
        again = [
            tuple(one[generator.integers(len(one), size=len(one))] for one in arrays[c])
            for c in chosen
        ]
        drawn.append(gain(again))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
