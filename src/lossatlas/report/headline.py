"""The answer of a report, on its first screen: short sentences, whose grounds follow below it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from statistics import median

from lossatlas.analysis import arms
from lossatlas.analysis.across import Across
from lossatlas.analysis.arms import Arm, Condition, Found, Result
from lossatlas.analysis.measures import MEASURES, Measure
from lossatlas.analysis.statistics import detectable
from lossatlas.pages.escape import code
from lossatlas.report import phrases, sentences

MOST_SAID = 6  # sentences of the answer
MOST_NEAR = 6  # losses that are named as near the best; the section of the scenario has all
MOST_PROBABLE = 3  # conditions whose best probabilities the answer names
MOST_POWERS = 4  # scenarios of which what could be found is told; of more, from where to where
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

    last += [*repeated, *_sure(compared, again)]
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
    """Clean labels for the same network and images, by the same recipe if there are such runs."""
    alike = [one for one in clean if ground(one[0])[1:] == ground(condition)[1:]]
    return min(alike, key=lambda one: one[0].recipe != condition.recipe, default=None)


def _best(
    condition: Condition,
    results: Sequence[Result],
    where: str,
    clean: tuple[Condition, Sequence[Result]] | None,
) -> str:
    """The best loss of a condition, and whether it is shown to be better than the baseline."""
    m, base, ordered = condition.measure, condition.baseline, phrases.ordered(condition, results)
    than = condition.judge.against or code(base.label if base is not None else "")
    if base is not None:
        than += f" ({phrases.valued(base.cell(m.field).mean, m)})"
    good, bad = ("higher", "lower")[:: 1 if m.higher_is_better else -1]
    first, highest = ordered[0], "highest" if m.higher_is_better else "lowest"
    top = next((one for one in ordered if one.conclusion == good), None)
    words = {good: "better", bad: "worse"}
    left = Counter(words.get(one.conclusion, one.conclusion) for one in ordered)
    left[words.get((top or first).conclusion, (top or first).conclusion)] -= 1
    others = [f"{left[w]} {w}" for w in ("better", "worse", *sentences.WORDS) if left[w]]
    counted = f"; the others: {', '.join(others)}." if others else "."
    if top is None:
        word = phrases.concluded(first.conclusion, m) + phrases.GROUNDS.get(first.conclusion, "")
        if len(ordered) == 1:
            told = f"**{code(first.arm.label)} is not shown to be better than {than}** in {m.name}"
            return f"In {where}: {told}, {phrases.effect(first.difference, m)}: {word}."
        told = f"{code(first.arm.label)}, has {phrases.effect(first.difference, m)}: {word}"
        return (
            f"In {where}: **no loss is shown to be better than {than}** in {m.name}; the {highest} "
            f"of {len(ordered)}, {told}{phrases.reach(ordered, m)}{counted}"
        )
    said = f"In {where}: **{code(top.arm.label)} {phrases.effect(top.difference, m)}** in {m.name}"
    said += f"{phrases.fresh(top, m)}, better than {than}"
    if top is not first:
        said += f", the best that is shown ({code(first.arm.label)} has "
        said += f"{phrases.effect(first.difference, m)}, {first.conclusion})"
    elif len(ordered) > 1:
        said += f", the {highest} of {len(ordered)} losses"
    said += f"; {level}" if (level := _near(condition, top.arm)) else ""
    said += _by_size(condition, top.arm)
    return said + _worse_nll(condition, top.arm) + _on_clean(condition, top.arm, clean) + counted


def _near(condition: Condition, top: Arm) -> str:
    """Which losses are not shown to differ from the best."""
    labels = [arm.label for arm, _ in arms.level(condition, top)]
    return f"not shown to differ from it: {phrases.named(labels, MOST_NEAR)}" if labels else ""


def _by_size(condition: Condition, ours: Arm) -> str:
    """What rare classes gain and frequent ones pay, where the scenario has such."""
    parts, base = [], condition.baseline
    for size in ("few", "many"):
        field = f"test_{size}_accuracy"
        if base is not None and ours.values(field) and base.values(field):
            share, other = (phrases.percent(arm.cell(field).mean) for arm in (ours, base))
            parts.append(f"of classes with {size} images {share} % against {other} %")
    return f"; accuracy {', '.join(parts)}" if parts else ""


def _worse_nll(condition: Condition, ours: Arm) -> str:
    """That the best loss has worse probabilities than the baseline, if it is shown."""
    nll, base = MEASURES["test_nll"], condition.baseline
    if base is None or not sentences.has_nll(condition):
        return ""
    found = arms.results(replace(condition, measure=nll))
    worse = any(one.arm is ours and one.conclusion == "higher" for one in found)
    return f"; its NLL is worse, {phrases.against((ours, base), nll)} nats" if worse else ""


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
    told, word = phrases.effect(cost.difference, m), phrases.concluded(cost.conclusion, m)
    return f"; in {_length(clean[0], condition)} it has {told}, {word}"


def _length(clean: Condition, condition: Condition) -> str:
    """A scenario beside another one, with what its runs are if their recipe is another."""
    if clean.recipe == condition.recipe:
        return code(clean.setting)
    runs = [run for arm in clean.arms for run in arm.runs]
    epochs = {run["epochs"] for run in runs if "epochs" in run}
    sizes = {run["train_size"] for run in runs if "train_size" in run}
    long = ""
    if len(epochs) == len(sizes) == 1:
        long = f", {epochs.pop():g} epochs of {sizes.pop():,.0f} images"
    return f"{code(clean.setting)}, by another recipe ({code(clean.recipe)}{long}),"


def _probabilities(compared: Sequence[tuple[Condition, str]]) -> list[str]:
    """Which losses give the best probabilities, in one sentence: the largest gains in NLL that are
    shown, with the ECE, and what temperature scaling leaves of them."""
    nll, told, none = MEASURES["test_nll"], [], []
    for condition, where in compared:
        top, base = arms.lowest(condition, nll.field), condition.baseline
        if top is None and sentences.has_nll(condition):
            none.append(where)
        if top is None or base is None:
            continue
        both = top.arm, base
        said = f"in {where} **{code(top.arm.label)} {phrases.effect(top.difference, nll)}**, "
        said += phrases.against(both, nll)
        also = sentences.ece(both), _near(replace(condition, measure=nll), top.arm)
        said += "".join(f", {one}" for one in also if one)
        told.append((top.difference.mean or 0, said + _scaled(condition, base)))
    if not told:
        return []
    first = [said for _, said in sorted(told, key=itemgetter(0))[:MOST_PROBABLE]]
    if (left := len(told) - len(first)) > 0:
        first.append(f"{left} more such {'scenario' if left == 1 else 'scenarios'} in the tables")
    first += [f"in {', '.join(none)} none"] if none else []
    return [f"Probabilities, by the lowest NLL that is shown to be a gain: {'; '.join(first)}."]


def _scaled(condition: Condition, base: Arm) -> str:
    """Which NLL is the lowest after temperature scaling."""
    scaled = MEASURES["test_nll_ts"]
    if not sentences.has_scaled(condition):
        return ""
    after = arms.lowest(condition, scaled.field)
    if after is None:
        return "; after temperature scaling none"
    told = f"{code(after.arm.label)}, {phrases.against((after.arm, base), scaled)}"
    return f"; after temperature scaling {told}"


def _sure(compared: Found, where: Callable[[Condition], str]) -> list[str]:
    """What these seeds could find, and on what ground all of it was measured."""
    ending = ""
    if len({ground(c)[1:] for c, _ in compared}) == 1:
        c = compared[0][0]
        epochs = {run["epochs"] for arm in c.arms for run in arm.runs if "epochs" in run}
        ending = f"; all with model {code(c.model)}, data {code(c.data)}"
        if len({ground(c) for c, _ in compared}) == 1:
            long = f" ({min(epochs):g} epochs)" if len(epochs) == 1 else ""
            ending = f"; all with recipe {code(c.recipe)}{long}, model {code(c.model)}, "
            ending += f"data {code(c.data)}"
    least: list[tuple[float, Measure, str]] = []
    between = ", "
    for c, results in compared:
        found = [d for one in results if (d := detectable(one.difference)) is not None]
        least += [(median(found), c.measure, where(c))] if found else []
    if len(least) > MOST_POWERS and len({m for _, m, _ in least}) == 1:
        least = [min(least, key=itemgetter(0)), max(reversed(least), key=itemgetter(0))]
        between = " to "
    told = [f"{phrases.number(d, m)}{f' {m.unit}'.rstrip()} in {place}" for d, m, place in least]
    if not told:
        return [f"All{ending.removeprefix('; all')}."] if ending else []
    return [
        f"One test without Holm's correction finds a true difference of {between.join(told)} "
        f"(median over losses) in 80 % of surveys; with it, larger ones{ending}."
    ]
