"""How far apart machines are that have made the same arm, and the same runs."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from lossatlas.analysis import statistics
from lossatlas.analysis.arms import Arm, Condition, Found
from lossatlas.results.travel import machine


class Between(NamedTuple):
    """An arm that several kinds of machine have made, by the measure of its condition.

    `cells` are the statistics of the seeds that each has made; `runs` counts the runs of one id
    that several have made, `sd` is the standard deviation between machines within those (pooled,
    its square the mean of the variances of runs) and `apart` the largest difference of two; both
    are None without such runs.
    """

    condition: Condition
    arm: Arm
    cells: Mapping[str, statistics.Cell]
    runs: int
    sd: float | None
    apart: float | None


def between(found: Found) -> list[Between]:
    """The arms that several kinds of machine have made, in order; none of trials."""
    told = (_between(c, one.arm) for c, results in found if not c.trial for one in results)
    return [one for one in told if one is not None]


def _between(condition: Condition, arm: Arm) -> Between | None:
    values: dict[str, list[float]] = defaultdict(list)
    by_run: dict[str, dict[str, float]] = defaultdict(dict)
    for row in (*arm.elsewhere, *arm.runs):  # of one machine's rows of a run the last counts
        if condition.measure.field in row:
            by_run[row["run_id"]][machine(row)] = float(row[condition.measure.field])
    for made in by_run.values():
        for where, value in made.items():
            values[where].append(value)
    if len(values) < 2:
        return None
    several = [list(made.values()) for made in by_run.values() if len(made) > 1]
    cells = {where: statistics.cell(values[where]) for where in sorted(values)}
    if not several:
        return Between(condition, arm, cells, 0, None, None)
    variances = [(statistics.cell(one).sd or 0) ** 2 for one in several]
    apart = max(max(one) - min(one) for one in several)
    sd = math.sqrt(sum(variances) / len(variances))
    return Between(condition, arm, cells, len(several), sd, apart)
