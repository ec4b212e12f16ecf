"""Which losses earn more seeds: those that may be among the best of a condition."""

from dataclasses import replace

from lossatlas.analysis import arms
from lossatlas.analysis.arms import Condition, Result
from lossatlas.analysis.measures import MEASURES, Measure

BEST = 3  # losses, the baseline among them
ALSO = "test_nll"  # whose best loss a headline names, too


def contenders(condition: Condition) -> list[str]:
    """The losses whose interval reaches the best `BEST` means of a condition, and the best by NLL.

    In the condition's order, without the baseline, which has its own seeds. Losses of too few
    seeds for an interval are none.
    """
    results = arms.results(condition)
    found = _reaching(condition, results, condition.measure)
    if (nll := MEASURES[ALSO]) in condition.judge.measures and condition.measure is not nll:
        better = [r for r in arms.results(replace(condition, measure=nll)) if _is_lower(r)]
        found += [min(better, key=lambda r: r.difference.mean or 0).arm.loss] if better else []
    return [name for name in dict.fromkeys(arm.loss for arm in condition.arms) if name in found]


def _reaching(condition: Condition, results: list[Result], m: Measure) -> list[str]:
    sign = 1 if m.higher_is_better else -1
    means = [sign * r.difference.mean for r in results if r.difference.mean is not None]
    means += [0.0] * (condition.baseline is not None)
    bar = sorted(means)[-BEST:][0] if means else 0.0
    ends = {r.arm.loss: (r.difference.low, r.difference.high)[m.higher_is_better] for r in results}
    return [loss for loss, end in ends.items() if end is not None and sign * end >= bar]


def _is_lower(result: Result) -> bool:
    return result.conclusion == "lower"
