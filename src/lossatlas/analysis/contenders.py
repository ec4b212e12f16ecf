"""Which losses earn more seeds: those that may be among the best of a condition."""

from lossatlas.analysis import arms
from lossatlas.analysis.arms import Condition

BEST = 3  # losses, the baseline among them


def contenders(condition: Condition) -> list[str]:
    """The losses whose interval reaches the best `BEST` means of a condition, and the best by NLL.

    In the condition's order, without the baseline, which has its own seeds. Losses of too few
    seeds for an interval are none.
    """
    results, m = arms.results(condition), condition.measure
    sign = 1 if m.higher_is_better else -1
    means = [sign * r.difference.mean for r in results if r.difference.mean is not None]
    means += [0.0] * (condition.baseline is not None)
    bar = sorted(means)[-BEST:][0] if means else 0.0
    ends = {r.arm.loss: (r.difference.low, r.difference.high)[m.higher_is_better] for r in results}
    found = [loss for loss, end in ends.items() if end is not None and sign * end >= bar]
    if (best := arms.best_probabilities(condition)) is not None:  # a headline names it
        found.append(best.arm.loss)
    return [name for name in dict.fromkeys(arm.loss for arm in condition.arms) if name in found]
