"""Which losses earn more seeds: those that may be among the best of a condition."""

from lossatlas.analysis import arms, statistics
from lossatlas.analysis.arms import Condition

BEST = 3  # losses, the baseline among them


def contenders(condition: Condition) -> list[str]:
    """The losses whose interval reaches the best `BEST` means of a condition, and the best by NLL.

    In the condition's order, without the baseline, which has its own seeds. Losses of too few
    seeds for an interval are none.
    """
    results = arms.results(condition)
    higher = condition.measure.higher_is_better
    reach = statistics.reach_best([one.difference for one in results], BEST, higher)
    found = [one.arm.loss for one, there in zip(results, reach, strict=True) if there]
    if (best := arms.lowest(condition, "test_nll")) is not None:  # a headline names it
        found.append(best.arm.loss)
    return [name for name in dict.fromkeys(arm.loss for arm in condition.arms) if name in found]
