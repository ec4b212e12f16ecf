"""The sentences of a report, generated from its numbers; Markdown, one sentence an item."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from statistics import mean, median

from lossatlas.analysis import arms
from lossatlas.analysis.across import Across
from lossatlas.analysis.again import OUTCOMES, Again
from lossatlas.analysis.arms import TRIALS, Arm, Condition, Found, Result, Row, is_finished
from lossatlas.analysis.measures import MEASURES, Measure
from lossatlas.analysis.statistics import (
    BASELINE_SEEDS,
    LEAST,
    Difference,
    conclusion,
    detectable,
)
from lossatlas.data.described import names, says
from lossatlas.pages.escape import code
from lossatlas.report.tables import costs, number, percent, signed
from lossatlas.results.travel import machine

ALWAYS = (
    "*Not resolved* means that a difference is not shown once the number of losses is corrected "
    "for; it does not mean that the two are equal, and an interval without 0 is then a hint, no "
    "finding. *Equivalent* means that the 95 % interval of the difference lies within half a "
    "point on either side.",
    "How often such statements are wrong, and what they miss, was simulated: docs/statistics.md of "
    "Loss Atlas.",
    "The best of many losses is the best partly by luck: new seeds will likely show it smaller.",
    "The results hold for this model, this budget and these data; a longer recipe may order the "
    "losses otherwise.",
    "Hyperparameters that are not named with a loss are the defaults of its card and were not "
    "tuned.",
    "The last epoch is the primary number in all of these reports. The best epoch is chosen on "
    "the test images; it is shown only as what an oracle would gain.",
    "Calibration reads the softmax of a loss's scores as probabilities, or what the loss says they "
    "mean where its card has a link of its own. Hinge losses do not aim at that, and others marked "
    "† may not: their NLL and ECE describe the scores, not a failure. Under wrong labels or a long "
    "tail a strictly proper loss, too, aims at the training labels, which the test images, with "
    "true labels and classes of equal size, do not follow.",
    "An ECE near its floor is no evidence of miscalibration; the floor is simulated from the "
    "model's own confidences.",
    "p-values are corrected over the losses of one scenario (Holm), not over scenarios or "
    "measures.",
)
CHOSEN = (
    "Losses with more seeds than the others got them because their interval by the first seeds "
    "reached the best three means, or for the lowest NLL. Some of which this holds may not have "
    "them yet, so that what is shown also tells where seeds were spent. The newest are free of "
    "that choice; they are not free of the choice of the loss that is named best, for which all "
    "seeds count."
)
JUDGED = "Embedding losses do not see what the classifiers see; their tables cannot be compared."
RATES = {
    "tuned": "Learning rates called tuned were found by one rule on held-out training images, one "
    "seed each, in steps of a factor of three: a small difference may be the rate's, not the "
    "loss's. What is to be said of a choice stands with the rates.",
    "default": "Learning rates called default are the recipe's, divided by the steepness of the "
    "loss where its card gives one; nobody tuned them for the loss.",
    "given": "Learning rates called given were set by hand or by a search; what they were chosen "
    "on is not known here.",
}
ONE_SEED = (
    "With one seed a number has no interval and no test; another seed may differ by any amount."
)
FEW_SEEDS = (
    f"With fewer than {LEAST} seeds of either loss a difference is shown and nothing is said of "
    "it: so few do not tell how much a loss scatters."
)
GROUNDS = {
    "not resolved": " after Holm's correction",
    "too few seeds": f" for a statement ({LEAST} of each loss are asked for)",
    "no test": ", without spread between the seeds",
}
PLURAL = {"holds": "hold", "turned over": "turn over"}
MOST_NAMED = 4  # differences in one sentence; of more, the first and the last
MOST_LISTED = 10  # losses in a list
LEAST_SHARED = 5  # losses in all conditions, from which the answer tells what holds over these
MOST_SAID = 6  # sentences of the answer
MOST_PROBABLE = 3  # conditions whose best probabilities the answer names
ENOUGH = 10  # conditions; of fewer, drawing them again shows too little of how they differ
WORDS = ("higher", "lower", "equivalent", "not resolved", "too few seeds", "no test")


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
        return code(c.setting) + c.judge.whose + by if alike else place(c)

    clean = [(c, results) for c, results in compared if c.setting == "clean"]
    silent: dict[str, list[str]] = defaultdict(list)
    for c, results in found:
        if not any(one.differences for one in results):
            silent[_why_silent(c, results)].append(where(c))
    last = [f"Nothing is compared in {', '.join(many)}: {why}." for why, many in silent.items()]
    if len(last) > 2:
        n = sum(map(len, silent.values()))
        last = [f"Nothing is compared in {n} scenarios; with each of them stands why."]
    last += [*repeated, *_sure(compared, where)]
    best = [_best(c, results, where(c), _cleaner(c, clean)) for c, results in compared]
    judged = [(c, _probabilities(c)) for c, _ in compared]
    told = [(*one, where(c)) for c, one in judged if one is not None]
    told.sort(key=itemgetter(0), reverse=True)
    joined = "; in ".join(f"{place}: {said}" for _, said, place in told[:MOST_PROBABLE])
    if (left := len(told) - MOST_PROBABLE) > 0:
        joined += f"; {left} more such {'scenario' if left == 1 else 'scenarios'} in the tables"
    none = [where(c) for c, one in judged if one is None and _has_nll(c)]
    also = f"; in {', '.join(none)} no loss is shown to have a lower NLL" if none else ""
    more = [f"In {joined}{also}."] if told else []
    more += [across(one)[0] for one in overall[:1] if len(one.losses) > LEAST_SHARED]
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
    m, ordered = condition.measure, _ordered(condition, results)
    against = condition.judge.against or code(
        condition.baseline.label if condition.baseline else ""
    )
    base = ""
    if condition.baseline is not None:
        mean = next(one.cell.mean for one in results if one.arm is condition.baseline)
        base = f" ({number(mean, m)}{_unit(m)})"
    good, bad = ("higher", "lower")[:: 1 if m.higher_is_better else -1]
    shown = [one for one in ordered if one.conclusion == good]
    if not shown:
        return _none(ordered, m, where, against, base, bad)
    top, first = shown[0], ordered[0]
    said = f"In {where}: **{code(top.arm.label)} {_effect(top.difference, m)}** in {m.name}"
    said += f"{_fresh(top, m)}, better than {against}{base}"
    if top is not first:
        said += (
            f", the best that is shown ({code(first.arm.label)} has "
            f"{_effect(first.difference, m)}, {first.conclusion})"
        )
    elif len(ordered) > 1:
        said += f", the {'highest' if m.higher_is_better else 'lowest'} of {len(ordered)} losses"
    said += _level(condition, top) + _by_size(condition, top.arm) + _worse_nll(condition, top.arm)
    if clean is not None and clean[0] is not condition:
        cost = next((one for one in clean[1] if one.arm.label == top.arm.label), None)
        if cost is not None and cost.difference.mean is not None:
            effect = _effect(cost.difference, m)
            said += f"; in {_length(clean[0], condition)} {code(top.arm.label)} has {effect}"
            said += f", {_word(cost.conclusion, m)}"
    words = {good: "better", bad: "worse"}
    counts = Counter(words.get(one.conclusion, one.conclusion) for one in ordered if one is not top)
    others = [f"{counts[word]} {word}" for word in ("better", "worse", *WORDS) if counts[word]]
    said += f"; the others: {', '.join(others)}" if others else ""
    return f"{said}{_reach(ordered, m)}."


def _none(ordered: Sequence[Result], m: Measure, where: str, name: str, base: str, bad: str) -> str:
    """That no loss of a condition is shown to be better than the baseline."""
    top = ordered[0]
    word = _word(top.conclusion, m) + GROUNDS.get(top.conclusion, "")
    effect = f"{_effect(top.difference, m)}: {word}"
    than = f"shown to be better than {name}{base} in {m.name}"
    if len(ordered) == 1:
        return f"In {where}: {code(top.arm.label)} is not {than}, {effect}."
    said = f"In {where}: none of {len(ordered)} losses is {than}; the best of them is "
    said += f"{code(top.arm.label)}, {effect}{_reach(ordered, m)}"
    worse = sum(one.conclusion == bad for one in ordered)
    level = [one for one in ordered if one.conclusion in ("equivalent", "not resolved")]
    said += f"; {worse} {'is' if worse == 1 else 'are'} worse" if worse else ""
    said += _near([(one.arm, one.difference) for one in level], name)
    left = len(ordered) - worse - len(level)
    return said + (f"; {left} without a statement" if left else "") + "."


def _reach(ordered: Sequence[Result], m: Measure) -> str:
    """How far the best of all differences may go, as far as their intervals tell."""
    far = "high" if m.higher_is_better else "low"
    ends = [end for one in ordered if (end := getattr(one.difference, far)) is not None]
    if not len(ends) == len(ordered) > 1:
        return ""
    end = signed((max if m.higher_is_better else min)(ends), m)
    return f"; the {'highest' if m.higher_is_better else 'lowest'} end of an interval is {end}"


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


def _level(condition: Condition, top: Result) -> str:
    """Which losses are not shown to differ from the best."""
    return _near(arms.level(condition, top.arm), "it")


def _near(level: Sequence[tuple[Arm, Difference]], name: str) -> str:
    """Losses that are not shown to differ: by name those whose interval holds 0."""
    near = [
        arm.label
        for arm, d in level
        if d.low is not None and d.high is not None and d.low <= 0 <= d.high
    ]
    far = len(level) - len(near)
    said = f"; not shown to differ from {name}: {_named(near)}" if near else ""
    if far:
        more = f", and {far} more" if near else f"; {far} not shown to differ from {name}"
        said += f"{more} only because of Holm's correction"
    return said


def _named(labels: Sequence[str]) -> str:
    """Losses by name, the first of more than `MOST_LISTED`."""
    names = list(map(code, labels))
    if len(names) > MOST_LISTED:
        names = [*names[: MOST_LISTED - 1], f"{len(names) - MOST_LISTED + 1} more"]
    return ", ".join(names)


def _by_size(condition: Condition, ours: Arm) -> str:
    """What rare classes gain and frequent ones pay, where the scenario has such, and who does more
    for the rare ones."""
    parts, baseline = [], condition.baseline
    for size in ("few", "many"):
        field = f"test_{size}_accuracy"
        if baseline is not None and ours.values(field) and baseline.values(field):
            share, other = (percent(arm.cell(field).mean) for arm in (ours, baseline))
            parts.append(f"of classes with {size} images {share} % against {other} %")
    if not parts:
        return ""
    few = MEASURES["test_few_accuracy"]
    more = arms.ahead(replace(condition, measure=few), ours)
    also = ""
    if more:
        share = percent(more[0].cell(few.field).mean)
        also = f" (highest of those shown to be better with few: {code(more[0].label)}, {share} %)"
    return f"; accuracy {', '.join(parts)}{also}"


def _worse_nll(condition: Condition, ours: Arm) -> str:
    """That the best loss has worse probabilities than the baseline, if it is shown."""
    nll, base = MEASURES["test_nll"], condition.baseline
    if condition.measure is nll or base is None or not _has_nll(condition):
        return ""
    found = arms.results(replace(condition, measure=nll))
    worse = any(one.arm is ours and one.conclusion == "higher" for one in found)
    return f"; its NLL is worse, {_two((ours, base), nll)} nats" if worse else ""


def _probabilities(condition: Condition) -> tuple[float, str] | None:
    """What losses do to the probabilities: the largest resolved gain in NLL, with the ECE, and what
    temperature scaling leaves; None where nothing is resolved."""
    nll, top, base = MEASURES["test_nll"], arms.lowest(condition, "test_nll"), condition.baseline
    if top is None or base is None:
        return None
    both = top.arm, base
    said = (
        f"**{code(top.arm.label)} {_effect(top.difference, nll)}** in NLL, the lowest that is "
        f"shown, {_two(both, nll)}"
    ) + _fresh(top, nll)
    said += _level(replace(condition, measure=nll), top)
    ours, theirs = (a.cell("test_ece").mean for a in both)
    if ours is not None and theirs is not None:
        said += f"; ECE {percent(ours)} % against {percent(theirs)} % for {code(base.label)}"
        ece = arms.lowest(condition, "test_ece")
        if ece is not None and ece.arm is not top.arm:
            lowest = percent(ece.arm.cell("test_ece").mean)
            said += f" (lowest that is shown: {code(ece.arm.label)}, {lowest} %)"
    return -(top.difference.mean or 0), said + _scaled(condition, base)


def _scaled(condition: Condition, base: Arm) -> str:
    """What temperature scaling does to the NLL of the baseline, and which is the lowest then."""
    nll, scaled = MEASURES["test_nll"], MEASURES["test_nll_ts"]
    held = [arm for arm in condition.arms if arm.values(scaled.field)]
    if condition.measure is scaled or base not in held or len(held) < 2:
        return ""
    before, mean = (number(base.cell(m.field).mean, m) for m in (nll, scaled))
    said = (
        f"; temperature scaling by the scenario's own labels brings the NLL of {code(base.label)}"
    )
    said += f" from {before} to {mean}"
    after = arms.lowest(condition, scaled.field)
    if after is None:
        return said + ", and no loss is shown to have a lower one then"
    return (
        f"{said}; the lowest that is shown is then {code(after.arm.label)} with "
        f"{number(after.arm.cell(scaled.field).mean, scaled)}, "
        f"{_effect(after.difference, scaled)}{_level(replace(condition, measure=scaled), after)}"
    )


def _two(both: Sequence[Arm], m: Measure) -> str:
    """The mean of one arm against that of the other."""
    ours, theirs = (number(arm.cell(m.field).mean, m) for arm in both)
    return f"{ours} against {theirs}"


def _has_nll(condition: Condition) -> bool:
    nll, base = MEASURES["test_nll"], condition.baseline
    return condition.measure is not nll and base is not None and bool(base.values(nll.field))


def _on_probabilities(condition: Condition) -> list[str]:
    """The sentences of a condition on probabilities; none where it has no NLL, or is about it."""
    nll, base = MEASURES["test_nll"], condition.baseline
    if base is None or not _has_nll(condition):
        return []
    told = _probabilities(condition)
    if told is not None:
        said = [f"Probabilities: {told[1]}."]
    else:
        found = arms.results(replace(condition, measure=nll))
        worse = sum(one.conclusion == "higher" for one in found)
        mean, ece = (base.cell(field).mean for field in (nll.field, "test_ece"))
        gap = "" if ece is None else f" and an ECE of {percent(ece)} %"
        many = f"{worse} {'has' if worse == 1 else 'have'} a higher one"
        if worse == sum(bool(one.differences) for one in found):
            many = f"all {worse} others have a higher one" if worse > 1 else "the other's is higher"
        said = [
            f"Probabilities: no loss is shown to have a lower NLL than {code(base.label)}, which "
            f"has {number(mean, nll)} nats{gap}; {many}{_scaled(condition, base)}."
        ]
    if all(run.get("temperature_images") == 0 for run in base.runs):
        said.append(
            "What temperature scaling would leave was not measured: no training images were left "
            "to fit it on."
        )
    return said


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
    if len(least) > MOST_NAMED and len({m for _, m, _ in least}) == 1:
        least = [min(least, key=itemgetter(0)), max(reversed(least), key=itemgetter(0))]
        between = " to "
    told = [f"{number(d, m)}{f' {m.unit}'.rstrip()} in {place}" for d, m, place in least]
    if not told:
        return [f"All{ending.removeprefix('; all')}."] if ending else []
    return [
        f"One test without Holm's correction finds a true difference of {between.join(told)} "
        f"(median over losses) in 80 % of surveys; with it, larger ones{ending}."
    ]


def _why_silent(condition: Condition, results: Sequence[Result]) -> str:
    """Why nothing is compared in a condition."""
    against, m = code(condition.against), condition.measure
    if condition.trial:
        return f"no finding ({condition.trial})"
    if not any(one.cell.mean is not None for one in results):
        return f"no run has finished with {m.name}"
    if condition.judge.untrained:
        return "no run has the encoder before training"
    if condition.baseline is None:
        failed = any(arm.loss == condition.against for arm in condition.arms)
        return f"no run of {against} has finished" if failed else f"no run of {against} is there"
    if not condition.baseline.values(m.field):
        return f"the runs of the baseline {against} left no {m.name}"
    return f"no run of another loss than {against} has finished with {m.name}"


def answer(condition: Condition, results: Sequence[Result]) -> list[str]:
    """What a condition shows: the baseline, then every loss by what is known of it."""
    m, base = condition.measure, condition.baseline
    measured = [one for one in results if one.cell.mean is not None]
    if not any(one.differences for one in results):
        why = _why_silent(condition, results)
        said = [f"Nothing is compared: {why}."]
        return said if condition.trial else [*said, *_calibrated(measured)]
    against, said = condition.judge.against, []
    if base is not None:
        against = code(base.label)
        c = next(one.cell for one in results if one.arm is base)
        span = "" if c.low is None else f", 95 % interval {number(c.low, m)} to {number(c.high, m)}"
        few = (
            f"; {BASELINE_SEEDS} seeds are asked for, because its own error is in every difference"
            if c.n < BASELINE_SEEDS
            else ""
        )
        said.append(
            f"{number(c.mean, m)}{_unit(m)} {m.name} in the last epoch: the baseline {against} "
            f"(n={c.n}{span}{few})."
        )
    ordered = _ordered(condition, results)
    for word in WORDS:
        mine = [one for one in ordered if one.conclusion == word]
        above = [one for one in mine if (one.difference.mean or 0) > 0]
        below = [one for one in mine if one not in above]
        if len(mine) <= MOST_NAMED:
            above, below = mine, []
        for side in filter(None, (above, below)):
            listed = [f"{_effect(one.difference, m)} for {code(one.arm.label)}" for one in side]
            if len(side) > MOST_NAMED:
                listed = [listed[0], f"{len(side) - 2} between", listed[-1]]
            told = f"{_word(word, m)}{GROUNDS.get(word, '')}"
            said.append(f"{'; '.join(listed)}: {told}, against {against}.")
    said += _cost(condition)
    return said + _on_probabilities(condition) + _calibrated(measured)


def _cost(condition: Condition) -> list[str]:
    """What a run costs by its loss, on the kind of machine that made the baseline."""
    base = condition.baseline
    if base is None or condition.judge.untrained:
        return []
    held = {arm.label: seconds for arm in condition.arms if (seconds := costs(arm, condition)[0])}
    if base.label not in held or len(held) < 2:
        return []
    least, *_, most = sorted((mean(v), label) for label, v in held.items())
    unit, usual = costs(base, condition)[1], mean(held[base.label])
    return [
        f"Runs took {least[0]:.0f} ({code(least[1])}) to {most[0]:.0f} {unit} ({code(most[1])}) of "
        f"training in the mean of a loss, of {code(base.label)} {usual:.0f}, on machines that may "
        "have had other work beside."
    ]


def _ordered(condition: Condition, results: Sequence[Result]) -> list[Result]:
    """Those with a difference, the best first."""
    sign = -1 if condition.measure.higher_is_better else 1
    return sorted(
        (one for one in results if one.differences),
        key=lambda one: sign * (one.difference.mean or 0),
    )


def comparison(found: Found, a: str, b: str) -> list[str]:
    """What `--compare` asks: loss `a` minus loss `b`, a sentence a condition that has both, then
    one of the others."""
    said, missing = [], []
    for condition, _ in found:
        d, m = arms.compare(condition, a, b), condition.measure
        if d is not None:
            word = _word(conclusion(d, d.p, m.margin), m)
            what = f"{code(a)} minus {code(b)} in {place(condition)}"
            said.append(f"**{_effect(d, m)}** in {m.name} for {what}: {word}.")
        elif not condition.judge.untrained and not condition.trial:
            missing.append(place(condition))
    told = f"{code(a)} and {code(b)} are not both measured in {', '.join(missing)}."
    return [*said, *([told] if missing else [])]


def across(told: Across) -> list[str]:
    """What holds over several conditions: the largest gain, and the best rank."""
    m, losses = told.measure, told.losses
    first = losses[0]
    bases = {c.baseline.label for c in told.conditions if c.baseline is not None}
    others = [one for one in losses if one.label not in bases]
    most = (max if m.higher_is_better else min)(others, key=lambda one: one.iqm)
    n = len(told.conditions)
    where = f"over {n} scenarios and recipes on {code(told.conditions[0].data)}"
    these = f"of the {len(others)} losses that all of them have beside the baseline"
    if len(others) == 1:
        these = "of the one loss that all of them have beside the baseline"
    rank = (
        f"{first.rank:.1f} is the best mean rank {where}, {these} and the baseline itself, that "
        f"of {code(first.label)} (sd {first.rank_sd:.1f})."
    )
    if not most.iqm:
        return [
            f"No loss gains {where}, by the interquartile mean of its differences, {these}.",
            rank,
        ]
    span = "no interval from two" if n == 2 else "no interval"
    effect = _with_unit(most.iqm, m)
    if most.low is not None and most.high is not None:
        span = f"bootstrap interval {signed(most.low, m)} to {signed(most.high, m)}"
        span += f", too short as it is of {n} scenarios alone" if n < ENOUGH else ""
        if not most.low <= 0 <= most.high:
            effect = f"**{effect}**"
    return [
        f"{effect} ({span}) for {code(most.label)} {where}: the best interquartile mean of "
        f"differences to the baseline, {these}; a run of it is better than one of the baseline "
        f"with probability {most.better:.2f}.",
        rank,
    ]


def checked(repeated: Sequence[Again], name: str) -> list[str]:
    """Which statements hold in other runs."""
    counts = Counter(one.outcome for one in repeated)
    plain = sum(
        one.outcome == "holds" and one.here.conclusion == "not resolved" for one in repeated
    )
    told = ", ".join(
        f"{counts[what]} {what if counts[what] == 1 else PLURAL.get(what, what)}"
        + (f" ({plain} as not resolved in both)" if what == "holds" and plain else "")
        for what in OUTCOMES
        if counts[what] and what != "not there"
    )
    there = [one.there for one in repeated if one.there is not None]
    same = sum(
        {*one.there.arm.by_seed("seed")} <= {*one.here.arm.by_seed("seed")}
        for one in repeated
        if one.there is not None
    )
    by = ""
    if same:
        which = "all" if same == len(there) else f"{same} of them"
        by = f"; {which} by the same seeds, which tests the machine and not the luck of the seeds"
    said = [f"{len(there)} of {len(repeated)} statements are in {code(name)}, too: {told}{by}."]
    return said + [
        f"{beside(one)}." for one in repeated if one.outcome in ("turned over", "not confirmed")
    ]


def beside(one: Again) -> str:
    """A statement, here and there."""
    here, *there = (
        f"{_effect(found.difference, one.condition.measure)}: {found.conclusion}"
        for found in (one.here, one.there)
        if found is not None
    )
    also = f"; there {there[0]}" if there else ""
    return f"{one.outcome}: {place(one.condition)}, {code(one.here.arm.label)}: here {here}{also}"


def place(condition: Condition) -> str:
    """Where a number was measured: scenario, kind of loss, recipe, model and data."""
    named = (("recipe", condition.recipe), ("model", condition.model), ("data", condition.data))
    told = ", ".join(f"{k} {code(v)}" for k, v in named)
    return f"{code(condition.setting)}{condition.judge.whose} ({told})"


def notices(found: Found, runs: Sequence[Row], unmade: int = 0) -> list[str]:
    """What must be known before any number is read; `unmade` runs of the sweep are still to be
    made."""
    said = []
    if unmade:
        ended = sum(map(is_finished, runs))
        said.append(
            f"**Not finished:** {ended} of the {ended + unmade} runs that were planned have a "
            "result. What is compared below may change with the others."
        )
    for trial in dict.fromkeys(condition.trial for condition, _ in found if condition.trial):
        places = [place(condition) for condition, _ in found if condition.trial == trial]
        said.append(
            f"**{trial[0].upper()}{trial[1:]}: no finding.** The runs in {'; '.join(places)} show "
            "that everything is connected. Their numbers say nothing about a loss and are compared "
            "with no others."
        )
    kinds = Counter(sorted(map(machine, filter(is_finished, runs))))
    if len(kinds) > 1:
        told = "; ".join(f"{code(kind)} ({n} row{'s' * (n != 1)})" for kind, n in kinds.items())
        said.append(
            f"**Rows of {len(kinds)} kinds of machine:** {told}. Runs of one id differ between "
            "kinds of processor, and are bit-identical on one machine only; where several have "
            "made a run, *Between machines* says by how much. Pairs of one seed that were made on "
            "different kinds are less alike."
        )
    said += [text for condition, _ in found if (text := _apart(condition))]
    return said


def _apart(condition: Condition) -> str:
    """Which losses have runs of other kinds of machine than the baseline's usual one, if any."""
    if condition.baseline is None or condition.judge.untrained:
        return ""
    here = arms.usual_machine(condition)
    others = [a for a in condition.arms if a is not condition.baseline]
    away = {a.label: sum(machine(run) != here for run in a.runs) for a in others}
    told = [
        f"{code(a.label)} ({'all' if away[a.label] == len(a.runs) else away[a.label]} of "
        f"{len(a.runs)} seeds)"
        for a in others
        if away[a.label]
    ]
    return (
        f"**Other machines than the baseline's** in {place(condition)}: {', '.join(told)}. A "
        "difference to it may be in part one of the machines."
        if told
        else ""
    )


def scenarios(found: Found) -> list[str]:
    """What each scenario does to the training data, and what of it was measured in the runs."""
    runs: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for condition, _ in found:
        for arm in condition.arms:
            runs[condition.scenario, condition.setting, condition.data] += arm.runs
    several = len({data for _, _, data in runs}) > 1
    said = []
    for (scenario, setting, data), rows in runs.items():
        told = [says(scenario)] if scenario in names() else []
        if data in TRIALS:
            told = [TRIALS[data], *(told if scenario != "clean" else [])]
        sizes = sorted({int(row["train_size"]) for row in rows if "train_size" in row})
        noise = sorted(row["effective_noise"] for row in rows if "effective_noise" in row)
        if sizes:
            told.append(f"{_ends([f'{n:,}' for n in sizes])} training images")
        if noise and noise[-1]:
            share = _ends([percent(x) for x in noise])
            told.append(f"the targets of {share} % of them leave out the true class")
        where = code(setting) + (f" on {code(data)}" if several else "")
        said.append(f"{where}: {'; '.join(told) or 'not described'}.")
    return said


def limits(found: Found, provenance: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """What cannot be concluded from these runs.

    `provenance` says of some recipes, on some data, how they came about (conf/provenance.yaml).
    """
    everything = [one for _, results in found for one in results]
    counts = sorted({one.cell.n for one in everything if one.cell.n})
    seeds = _ends([str(n) for n in counts]) or "no"
    said = [f"Each mean of a loss rests on {seeds} {'seed' if counts == [1] else 'seeds'}."]
    said += [ONE_SEED] if 1 in counts else []
    said += [FEW_SEEDS] if counts and counts[0] < LEAST else []
    sources = {run.get("lr_source") for one in everything for run in one.arm.runs}
    said += [text for source, text in RATES.items() if source in sources]
    said += ALWAYS
    said += [CHOSEN] if any(one.fresh for one in everything) else []
    said += [JUDGED] if len({condition.judge for condition, _ in found}) > 1 else []
    held = {(condition.recipe, condition.data) for condition, _ in found}
    said += [one["says"] for one in provenance if (one["recipe"], one["data"]) in held]
    kinds = {machine(r) for one in everything for r in (*one.arm.runs, *one.arm.elsewhere)}
    if len(kinds) == 1:
        said.append(
            f"All runs were made on one kind of machine, {code(*kinds)}, as far as their rows "
            "tell: another kind gives other weights and somewhat other accuracies."
        )
    if diverged := sum(one.diverged for one in everything):
        without = sum(len(one.arm.runs) - one.cell.n for one in everything)
        said.append(
            f"Diverged runs: {diverged}, of which {without} left no accuracy. An accuracy that is "
            "there counts in the mean; where there is none, the mean flatters the loss."
        )
    if replaced := sum(condition.replaced for condition, _ in found):
        said.append(
            f"Older runs of the same loss, setting and seed, replaced by newer ones: {replaced}."
        )
    return said


def _word(text: str, m: Measure) -> str:
    """A conclusion in a sentence; what is higher is not always better."""
    if text in ("higher", "lower"):
        return f"{text} ({'better' if (text == 'higher') is m.higher_is_better else 'worse'})"
    return f"equivalent within ±{100 * (m.margin or 0):g} points" if text == "equivalent" else text


def _effect(d: Difference, m: Measure) -> str:
    """A difference with its interval and the seeds on either side."""
    span = "no interval"
    if d.low is not None:
        span = f"95 % interval {signed(d.low, m)} to {signed(d.high, m)}"
    return f"{_with_unit(d.mean, m)} ({span}, n={d.n} against {d.m})"


def _with_unit(v: float | None, m: Measure) -> str:
    return f"{signed(v, m)} {m.unit}".rstrip()


def _fresh(one: Result, m: Measure) -> str:
    """What the seeds say that were made after the loss had been chosen as one of the best."""
    if one.fresh is None or one.fresh.mean is None:
        return ""
    said, many = _with_unit(one.fresh.mean, m), one.fresh.n
    if one.fresh.low is not None:
        said += f", {signed(one.fresh.low, m)} to {signed(one.fresh.high, m)}"
    return f" (its {f'{many} newest seeds' if many > 1 else 'newest seed'} alone: {said})"


def _calibrated(measured: Sequence[Result]) -> list[str]:
    near = [code(one.arm.label) for one in measured if one.calibrated]
    return [
        f"ECE within two sd of what a perfectly calibrated model would get, in every seed: "
        f"{', '.join(near)}."
    ] if near else []  # fmt: skip


def _unit(m: Measure) -> str:
    return " %" if m.unit == "points" else f" {m.unit}".rstrip()


def _ends(ascending: Sequence[str]) -> str:
    """The first to the last, or the one there is; empty for none."""
    return " to ".join(dict.fromkeys((*ascending[:1], *ascending[-1:])))
