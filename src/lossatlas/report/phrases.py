"""Numbers, differences and conclusions in words, as sentences and tables have them."""

from collections.abc import Sequence

from lossatlas.analysis import arms
from lossatlas.analysis.arms import Arm, Condition, Result
from lossatlas.analysis.measures import Measure
from lossatlas.analysis.statistics import LEAST, Difference
from lossatlas.pages.escape import code

GROUNDS = {
    "too few seeds": f" for a statement ({LEAST} of each loss are asked for)",
    "no test": ", without spread between the seeds",
}
BUT = " but for Holm's correction"
HOLM = " only because of Holm's correction"
MOST_LISTED = 10  # losses in a list


def percent(fraction: float | None) -> str:
    """0.70125 as 70.13; the minus is a real one; None is a dash."""
    return "–" if fraction is None else f"{100 * fraction:.2f}".replace("-", "−")


def points(fraction: float | None) -> str:
    """A signed difference in percentage points."""
    return "–" if fraction is None else f"{round(100 * fraction, 2) + 0.0:+.2f}".replace("-", "−")


def number(v: float | None, measure: Measure) -> str:
    """A value of a measure: a share in percent, all else with three decimals."""
    if measure.unit == "points":
        return percent(v)
    return "–" if v is None else f"{v:.3f}".replace("-", "−")


def signed(v: float | None, measure: Measure) -> str:
    """A difference in a measure, with its sign; what is rounded to zero has a plus."""
    if measure.unit == "points":
        return points(v)
    return "–" if v is None else f"{round(v, 3) + 0.0:+.3f}".replace("-", "−")


def changed(v: float | None, m: Measure) -> str:
    """A difference with its unit."""
    return f"{signed(v, m)} {m.unit}".rstrip()


def valued(v: float | None, m: Measure) -> str:
    """A value with its unit."""
    return number(v, m) + (" %" if m.unit == "points" else f" {m.unit}".rstrip())


def plain(v: float, m: Measure) -> str:
    """A difference without its sign, with its unit."""
    return f"{number(v, m)} {m.unit}".rstrip()


def effect(d: Difference, m: Measure) -> str:
    """A difference with its interval and the seeds on either side."""
    span = "no interval"
    if d.low is not None:
        span = f"95 % interval {signed(d.low, m)} to {signed(d.high, m)}"
    return f"{changed(d.mean, m)} ({span}, n={d.n} against {d.m})"


def shown(one: Result, m: Measure) -> str:
    """What is said of the difference of a loss to the baseline, and on what ground."""
    if one.hint:
        return concluded(one.hint, m) + BUT
    return concluded(one.conclusion, m) + GROUNDS.get(one.conclusion, "")


def concluded(text: str, m: Measure) -> str:
    """A conclusion in a sentence; what is higher is not always better."""
    if text in ("higher", "lower"):
        return f"{text} ({'better' if text == m.better else 'worse'})"
    return f"equivalent within ±{100 * (m.margin or 0):g} points" if text == "equivalent" else text


def against(both: Sequence[Arm], m: Measure) -> str:
    """The mean of one arm against that of the other, with the unit."""
    ours, theirs = (arm.cell(m.field).mean for arm in both)
    return f"{number(ours, m)} against {valued(theirs, m)}"


def reference(condition: Condition) -> str:
    """What the differences of a condition are to."""
    base = condition.baseline
    return condition.judge.against or code(base.label if base else condition.against)


def fresh(one: Result, m: Measure) -> str:
    """What the seeds say that were made after the loss had been chosen as one of the best."""
    if one.fresh is None or one.fresh.mean is None:
        return ""
    said, many = changed(one.fresh.mean, m), one.fresh.n
    if one.fresh.low is not None:
        said += f", 95 % interval {signed(one.fresh.low, m)} to {signed(one.fresh.high, m)}"
    return f" (its {f'{many} newest seeds' if many > 1 else 'newest seed'} alone: {said})"


def near(condition: Condition, top: Arm, most: int = MOST_LISTED) -> str:
    """Losses that are not shown to differ from `top`, and those that are one with it."""
    level = arms.level(condition, top)
    same = [arm.label for arm, _ in level if arms.same_weights(arm, top)]
    rest = [(arm.label, d) for arm, d in level if arm.label not in same]
    said = [f"in every seed the same weights as {named(same)}"] if same else []
    return ", ".join([*said, *alike(rest, code(top.label), most)])


def alike(level: Sequence[tuple[str, Difference]], name: str, most: int = MOST_LISTED) -> list[str]:
    """Losses that are not shown to differ: by name those whose interval holds 0."""
    inside = [label for label, d in level if not d.side]
    far = len(level) - len(inside)
    said = [f"not shown to differ from {name}: {named(inside, most)}"] if inside else []
    others = f"{far} other{'s' * (far > 1)} not shown to differ from {name}"
    return said + [(f"and {far} more" if inside else others) + HOLM] * (far > 0)


def named(labels: Sequence[str], most: int = MOST_LISTED) -> str:
    """Losses by name; of more than `most` the first, and how many there are beside them."""
    kept = labels if len(labels) <= most else labels[: most - 1]
    said = ", ".join(map(code, kept))
    return said + (f" and {len(labels) - len(kept)} more" if len(kept) < len(labels) else "")


def reach(ordered: Sequence[Result], m: Measure) -> str:
    """How far the best of all differences may go, as far as their intervals tell."""
    far = "high" if m.higher_is_better else "low"
    known = [end for one in ordered if (end := getattr(one.difference, far)) is not None]
    if not len(known) == len(ordered) > 1:
        return ""
    end = max(known, key=lambda end: m.sign * end)
    return f"; the {m.best} end of the {len(known)} intervals is {changed(end, m)}"


def ordered(condition: Condition, results: Sequence[Result]) -> list[Result]:
    """Those with a difference, the best first."""
    return sorted(
        (one for one in results if one.differences),
        key=lambda one: -condition.measure.sign * (one.difference.mean or 0),
    )


def place(condition: Condition) -> str:
    """Where a number was measured: scenario, kind of loss, recipe, model and data."""
    held = (("recipe", condition.recipe), ("model", condition.model), ("data", condition.data))
    told = ", ".join(f"{k} {code(v)}" for k, v in held)
    return f"{code(condition.setting)}{condition.judge.whose} ({told})"


def ends(ascending: Sequence[str]) -> str:
    """The first to the last, or the one there is; empty for none."""
    return " to ".join(dict.fromkeys((*ascending[:1], *ascending[-1:])))


def capital(text: str) -> str:
    """The text as a sentence begins, but for names such as kNN."""
    return text[0].upper() + text[1:] if text[:2].islower() else text
