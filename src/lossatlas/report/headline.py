"""The answer of a report, on its first screen: short sentences, whose grounds follow below it."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter

from lossatlas.analysis import arms
from lossatlas.analysis.across import Across
from lossatlas.analysis.arms import Arm, Condition, Found, Result
from lossatlas.analysis.measures import MEASURES
from lossatlas.pages.escape import code
from lossatlas.report import phrases, sentences

MOST_SAID = 6  # sentences of the answer
MOST_NEAR = 6  # losses that are named as near the best; the section of the scenario has all
MOST_PROBABLE = 3  # conditions whose best probabilities the answer names
MOST_COSTS = 4  # scenarios; of more, what a run costs is told with each
AS = {"too few seeds": "with too few seeds", "no test": "without a test"}  # in a count
COUNTED = (
    "better", "worse", f"better{phrases.BUT}", f"worse{phrases.BUT}", "equivalent", "not resolved",
    *AS.values(),
)  # fmt: skip
LEAST_SHARED = 5  # losses in all conditions, from which the answer tells what holds over these


def headline(
    found: Found,
    overall: Sequence[Across],
    asked: Sequence[str] = (),
    repeated: Sequence[str] = (),
) -> list[str]:
    """The answer in at most `MOST_SAID` sentences: where, which loss, by how much, then how sure.

    `asked` are sentences about what was asked for by name, `repeated` about other runs.
    """
    compared = [(c, results) for c, results in found if any(one.differences for one in results)]
    # then the last sentence names what is shared
    grounds = {ground(c) for c, _ in found} if compared else set()
    alike = len({one[1:] for one in grounds}) == 1

    def where(c: Condition) -> str:
        by = "" if len(grounds) == 1 else f" (recipe {code(c.recipe)})"
        return code(c.setting) + c.judge.whose + by if alike else phrases.place(c)

    clean = [(c, results) for c, results in compared if c.setting == "clean"]
    silent: dict[str, list[str]] = defaultdict(list)
    for c, results in found:
        if not any(one.differences for one in results):
            silent[sentences.why_silent(c, results)].append(where(c))
    last = [f"Nothing is compared in {', '.join(many)}: {why}." for why, many in silent.items()]
    if len(last) > 2:
        n = sum(map(len, silent.values()))
        last = [f"Nothing is compared in {n} scenarios; with each of them stands why."]
    # What the first sentences say of a scenario need not be said again, where its name is enough.
    settings = Counter(c.setting + c.judge.whose for c, _ in compared)
    alone = alike and set(settings.values()) == {1}

    def again(c: Condition) -> str:
        return code(c.setting) + c.judge.whose if alone else where(c)

    last += [*repeated, *_ground(compared, again)]
    best = [_best(c, results, where(c), _cleaner(c, clean)) for c, results in compared]
    more = _probabilities([(c, again(c)) for c, _ in compared])
    more += [sentences.across(one)[0] for one in overall[:1] if len(one.losses) > LEAST_SHARED]
    room = MOST_SAID - len(asked) - len(last)
    kept = best[: max(1, room - len(more[:1]))]  # a scenario comes before what is over several
    said = [*asked, *kept, *more[: max(0, room - len(kept))], *last][:MOST_SAID]
    if left := len(best) - len(kept):
        counted = "1 more scenario is" if left == 1 else f"{left} more scenarios are"
        said[-1] = f"{said[-1][:-1]}; {counted} in the tables."
    return said


def ground(condition: Condition) -> tuple[str, str, str]:
    """What conditions share whose numbers can be set beside each other."""
    return condition.recipe, condition.model, condition.data


def _cleaner(condition: Condition, clean: Found) -> tuple[Condition, Sequence[Result]] | None:
    """Clean labels for the same network, images and kind of loss: by the same recipe if there are
    such runs, else by the only other one."""
    alike = [
        one
        for one in clean
        if ground(one[0])[1:] == ground(condition)[1:] and one[0].judge == condition.judge
    ]
    own = [one for one in alike if one[0].recipe == condition.recipe]
    return next(iter(own or alike), None) if len(own or alike) == 1 else None


def _best(
    condition: Condition,
    results: Sequence[Result],
    where: str,
    clean: tuple[Condition, Sequence[Result]] | None,
) -> str:
    """The best loss of a condition, and whether it is shown to be better than the baseline."""
    m, base, ordered = condition.measure, condition.baseline, phrases.ordered(condition, results)
    than = phrases.reference(condition)
    beside = "" if base is None else f" ({phrases.valued(base.cell(m.field).mean, m)})"
    first = ordered[0]
    top = arms.best(condition, ordered)
    words = AS | {word: "better" if word == m.better else "worse" for word in ("higher", "lower")}
    left: Counter[str] = Counter()
    for one in ordered:
        if one is not (top or first):
            word = words.get(one.conclusion, one.conclusion)
            left[words[one.hint] + phrases.BUT if one.hint else word] += 1
    others = [f"{left[w]} {w}" for w in COUNTED if left[w]]
    counted = f"; the others: {', '.join(others)}." if others else "."
    if top is None:
        effect = phrases.effect(first.difference, m)
        if len(ordered) == 1:
            worse = words.get(first.conclusion) == "worse"
            how = "worse" if worse else "not shown to be better"
            told = f"**{code(first.arm.label)} is {how} than {than}{beside}** in {m.name}"
            return f"In {where}: {told}, {effect}: {phrases.shown(first, m)}."
        return (
            f"In {where}: **no loss is shown to be better than {than}{beside}** in {m.name}; the "
            f"{m.best} of {len(ordered)}, {code(first.arm.label)}, has {effect}: "
            f"{phrases.shown(first, m)}{phrases.reach(ordered, m)}{counted}"
        )
    said = [
        f"In {where}: **{code(top.arm.label)} {phrases.effect(top.difference, m)}** in {m.name}"
    ]
    said[0] += f"{phrases.fresh(top, m)}, better than {than}"
    if base is not None:
        said[0] += f", {phrases.against((top.arm, base), m)}"
    if top is not first:
        said[0] += f", the best that is shown ({code(first.arm.label)} has "
        said[0] += f"{phrases.effect(first.difference, m)}, {phrases.shown(first, m)})"
    elif len(ordered) > 1 and ordered[1].difference.mean != top.difference.mean:
        said[0] += f"; the {m.best} of {len(ordered)} losses"
    said += [
        phrases.near(condition, top.arm, MOST_NEAR),
        _by_size(condition, top.arm),
        _worse_nll(condition, top.arm),
        _on_clean(condition, top.arm, clean),
    ]
    return "; ".join(filter(None, said)) + counted


def _by_size(condition: Condition, ours: Arm) -> str:
    """What rare classes gain and frequent ones pay, where the scenario has such."""
    parts, base = [], condition.baseline
    for size in ("few", "many"):
        m = MEASURES[f"test_{size}_accuracy"]
        held = base is not None and base.values(m.field) and ours.values(m.field)
        if base is not None and held and condition.measure is not m:
            told = phrases.against((ours, base), m)
            parts.append(f"of classes with {size} training images {told}")
            if size == "few" and (more := sentences.ahead_with_few(condition, ours)):
                most = phrases.valued(more[0].cell(m.field).mean, m)
                parts[-1] += f" (the most that is shown: {code(more[0].label)}, {most})"
    if not parts:
        return ""
    # Balanced accuracy is accuracy where all classes have as many test images.
    share, balanced = (ours.cell(f"test_{name}").mean for name in ("accuracy", "balanced_accuracy"))
    even = share is not None and balanced is not None and math.isclose(share, balanced)
    where = "on test classes of equal size, " if even else ""
    return f"{where}accuracy {', '.join(parts)}"


def _worse_nll(condition: Condition, ours: Arm) -> str:
    """That the best loss has worse probabilities than the baseline, if it is shown."""
    nll, base = MEASURES["test_nll"], condition.baseline
    if base is None or not sentences.has_nll(condition):
        return ""
    found = arms.results(replace(condition, measure=nll))
    worse = any(one.arm is ours and one.conclusion == "higher" for one in found)
    return f"its NLL is worse, {phrases.against((ours, base), nll)}" if worse else ""


def _on_clean(
    condition: Condition, ours: Arm, clean: tuple[Condition, Sequence[Result]] | None
) -> str:
    """What the best loss of a scenario costs on clean labels, where it was measured there, too."""
    m = condition.measure
    if clean is None or clean[0] is condition:
        return ""
    cost = next((one for one in clean[1] if one.arm.label == ours.label), None)
    if cost is None or cost.difference.mean is None:
        return ""
    told, base = phrases.effect(cost.difference, m), phrases.reference(clean[0])
    said = f"{code(ours.label)} has {told} against {base} there: {phrases.shown(cost, m)}"
    if clean[0].recipe == condition.recipe:
        return f"in {code(clean[0].setting)} {said}"
    runs, here = map(_length, (clean[0], condition))
    long = f", {runs}; here {here}" if runs and here else ""
    return f"in {code(clean[0].setting)}, by another recipe ({code(clean[0].recipe)}{long}), {said}"


def _length(condition: Condition) -> str:
    """How long the runs of a condition are; empty where they differ in it."""
    epochs, sizes = (_values([condition], field) for field in ("epochs", "train_size"))
    if len(epochs) != 1 or len(sizes) != 1:
        return ""
    return f"{epochs.pop():g} epochs of {sizes.pop():,.0f} images"


def _values(conditions: Sequence[Condition], field: str) -> set[float]:
    """The values of a row's field in all runs of some conditions."""
    runs = (run for c in conditions for arm in c.arms for run in arm.runs)
    return {run[field] for run in runs if field in run}


def _probabilities(compared: Sequence[tuple[Condition, str]]) -> list[str]:
    """Which losses give the best probabilities, in one sentence: the largest gains in NLL that are
    shown, with the ECE, and what temperature scaling leaves of them."""
    nll, told, none = MEASURES["test_nll"], [], []
    for condition, where in compared:
        top, base = arms.lowest(condition, nll.field), condition.baseline
        if base is None or not sentences.has_nll(condition):
            continue
        if top is None:
            gap = base.cell("test_ece").mean
            held = phrases.valued(base.cell(nll.field).mean, nll)
            held += "" if gap is None else f", ECE {phrases.percent(gap)} %"
            none.append(f"{where} ({code(base.label)} {held})")
            continue
        both = top.arm, base
        said = f"in {where} **{code(top.arm.label)} {phrases.effect(top.difference, nll)}**, "
        said += phrases.against(both, nll)
        near = phrases.near(replace(condition, measure=nll), top.arm, MOST_NEAR)
        also = sentences.ece(condition, both), near
        said += "".join(f", {one}" for one in also if one)
        told.append((top.difference.mean or 0, said + _scaled(condition, base)))
    if not told and not none:
        return []
    first = [said for _, said in sorted(told, key=itemgetter(0))[:MOST_PROBABLE]]
    if (left := len(told) - len(first)) > 0:
        first.append(f"{left} more such {'scenario' if left == 1 else 'scenarios'} in the tables")
    first += [f"none in {', '.join(none)}"] if none else []
    return [f"Probabilities, by the lowest NLL that is shown to be a gain: {'; '.join(first)}."]


def _scaled(condition: Condition, base: Arm) -> str:
    """Which NLL is the lowest after temperature scaling, or that it helps the baseline not."""
    scaled = MEASURES["test_nll_ts"]
    if not sentences.has_scaled(condition):
        return ""
    before, then = sentences.scaling(base)
    if float(then) > float(before):  # as they are printed
        by = "temperature scaling by the scenario's own labels"
        return f", {by} makes the NLL of {code(base.label)} worse, {before} to {then}"
    after = arms.lowest(condition, scaled.field)
    if after is None:
        return ", after temperature scaling no loss is shown to have a lower one"
    told = f"{code(after.arm.label)}, {phrases.against((after.arm, base), scaled)}"
    return f", after temperature scaling {told}"


def _ground(compared: Found, where: Callable[[Condition], str]) -> list[str]:
    """What the runs cost, and on what ground all of it was measured."""
    if not compared:
        return []
    costs = []
    for c, _ in compared if len(compared) <= MOST_COSTS else ():
        if (told := sentences.spent(c)) is not None:
            (least, _), (most, _), usual, unit = told
            span = phrases.ends([f"{least:.0f}", f"{most:.0f}"])
            costs.append(f"{span} {unit} in {where(c)} (baseline {usual:.0f})")
    same = []
    if len({ground(c)[1:] for c, _ in compared}) == 1:
        c = compared[0][0]
        if len({ground(c) for c, _ in compared}) == 1:
            epochs = _values([c for c, _ in compared], "epochs")
            long = f" ({min(epochs):g} epochs)" if len(epochs) == 1 else ""
            same.append(f"recipe {code(c.recipe)}{long}")
        same += [f"model {code(c.model)}", f"data {code(c.data)}"]
    said = (
        [f"training took, in the mean of a loss, {', '.join(costs)}, {sentences.BUSY}"]
        if costs
        else []
    )
    said += [f"all with {', '.join(same)}"] if same else []
    return [phrases.capital("; ".join(said)) + "."] if said else []
