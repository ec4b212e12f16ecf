"""The sentences of a report, generated from its numbers; Markdown, one sentence an item."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean, median

from lossatlas.analysis import arms
from lossatlas.analysis.across import Across
from lossatlas.analysis.again import OUTCOMES, Again
from lossatlas.analysis.arms import TRIALS, Arm, Condition, Found, Result, Row, is_finished
from lossatlas.analysis.measures import MEASURES
from lossatlas.analysis.statistics import BASELINE_SEEDS, LEAST, conclusion, detectable
from lossatlas.data.described import names, says
from lossatlas.pages.escape import code
from lossatlas.report import phrases
from lossatlas.report.tables import costs
from lossatlas.results.travel import machine

ALWAYS = (
    "*Not resolved* means that a difference is not shown; it does not mean that the two are equal. "
    "What is higher or lower but for Holm's correction is a hint, no finding: of so many losses "
    "some look like that by chance. *Equivalent* means that the 95 % interval of "
    "the difference lies within half a point on either side.",
    "How often such statements are wrong, and what they miss, was simulated: docs/statistics.md of "
    "Loss Atlas.",
    "The best of many losses is the best partly by luck: new seeds tend to show it smaller.",
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
PLURAL = {"holds": "hold", "not confirmed": "are not confirmed", "turned over": "turn over"}
ONE = {"not confirmed": "is not confirmed", "turned over": "turns over"}
MOST_NAMED = 4  # differences in one sentence; of more, the first and the last
BUSY = "on machines that may have had other work beside"
ENOUGH = 10  # conditions; of fewer, drawing them again shows too little of how they differ
WORDS = ("higher", "lower", "equivalent", "not resolved", "too few seeds", "no test")


def _best(condition: Condition, ordered: Sequence[Result], than: str) -> str:
    """The best loss of a condition, what is not told from it, and how far any loss may go."""
    m = condition.measure
    top = arms.best(condition, ordered)
    if top is None:
        said = f"No loss is shown to be better than {than}{phrases.reach(ordered, m)}"
        open_ = [one for one in ordered if one.conclusion in ("equivalent", "not resolved")]
        level = phrases.alike([(one.arm.label, one.difference) for one in open_], "it")
        said += f"; {', '.join(level)}" if level else ""
    else:
        of = "of those shown to be better" if top is not ordered[0] else f"of {len(ordered)} losses"
        said = f"{code(top.arm.label)} is the {m.best} {of}"
        said += f"; {near}" if (near := phrases.near(condition, top.arm)) else ""
        if more := ahead_with_few(condition, top.arm):
            few = MEASURES["test_few_accuracy"]
            others = "another is" if len(more) == 1 else f"{len(more)} others are"
            most = f"{code(more[0].label)} {'' if len(more) == 1 else 'the most, '}"
            most += f"with {phrases.valued(more[0].cell(few.field).mean, few)}"
            said += f"; in {few.name} {others} shown to be better, {most}"
    return f"{said}."


def ahead_with_few(condition: Condition, ours: Arm) -> list[Arm]:
    """The losses that are shown to do more than the best one for classes with few images."""
    few = MEASURES["test_few_accuracy"]
    return [] if condition.measure is few else arms.ahead(replace(condition, measure=few), ours)


def _lowest_nll(condition: Condition, base: Arm, top: Result) -> str:
    """The lowest NLL that is shown to be below the baseline's, with the ECE."""
    nll, both = MEASURES["test_nll"], (top.arm, base)
    said = (
        f"**{code(top.arm.label)} {phrases.effect(top.difference, nll)}** in NLL, the lowest that "
        f"is shown, {phrases.against(both, nll)}"
    )
    said += phrases.fresh(top, nll)
    near = phrases.near(replace(condition, measure=nll), top.arm)
    return "; ".join(filter(None, (said, near, ece(condition, both))))


def ece(condition: Condition, both: tuple[Arm, Arm]) -> str:
    """The ECE of one arm against that of the other, and the lowest one that is shown; empty where
    one of the two has none."""
    ours, theirs = (arm.cell("test_ece").mean for arm in both)
    if ours is None or theirs is None:
        return ""
    said = f"ECE {phrases.percent(ours)} % against {phrases.percent(theirs)} %"
    least = arms.lowest(condition, "test_ece")
    if least is None or least.arm is both[0]:
        return said
    lowest = phrases.percent(least.arm.cell("test_ece").mean)
    return f"{said} (lowest that is shown: {code(least.arm.label)}, {lowest} %)"


def _scaled(condition: Condition, base: Arm) -> str:
    """What temperature scaling does to the NLL of the baseline, and which is the lowest then."""
    scaled = MEASURES["test_nll_ts"]
    if not has_scaled(condition):
        return ""
    before, then = scaling(base)
    said = (
        f"; temperature scaling by the scenario's own labels brings the NLL of {code(base.label)}"
    )
    said += f" from {before} to {then}"
    after = arms.lowest(condition, scaled.field)
    if after is None:
        return said + ", and no loss is shown to have a lower one then"
    said += f"; the lowest that is shown is then {code(after.arm.label)} with "
    said += phrases.number(after.arm.cell(scaled.field).mean, scaled)
    said += f", {phrases.effect(after.difference, scaled)}"
    near = phrases.near(replace(condition, measure=scaled), after.arm)
    return f"{said}; {near}" if near else said


def scaling(base: Arm) -> tuple[str, str]:
    """The NLL before and after temperature scaling, in the seeds that have both."""
    nll, scaled = MEASURES["test_nll"], MEASURES["test_nll_ts"]
    before, then = (base.by_seed(m.field) for m in (nll, scaled))
    both = [seed for seed in before if seed in then]
    told = [phrases.number(mean(many[s] for s in both), nll) for many in (before, then)]
    return told[0], told[1]


def has_scaled(condition: Condition) -> bool:
    """Whether losses can be compared by their NLL after temperature scaling."""
    scaled, base = MEASURES["test_nll_ts"], condition.baseline
    held = [
        arm for arm in condition.arms if {*arm.by_seed("test_nll")} & {*arm.by_seed(scaled.field)}
    ]
    return condition.measure is not scaled and base in held and len(held) > 1


def has_nll(condition: Condition) -> bool:
    """Whether losses can be compared by their NLL, beside what the condition is about."""
    nll, base = MEASURES["test_nll"], condition.baseline
    held = [arm for arm in condition.arms if arm.values(nll.field)]
    return condition.measure is not nll and base in held and len(held) > 1


def _on_probabilities(condition: Condition) -> list[str]:
    """The sentences of a condition on probabilities; none where it has no NLL, or is about it."""
    nll, base = MEASURES["test_nll"], condition.baseline
    if base is None or not has_nll(condition):
        return []
    top = arms.lowest(condition, nll.field)
    if top is not None:
        said = [f"Probabilities: {_lowest_nll(condition, base, top)}{_scaled(condition, base)}."]
    else:
        found = arms.results(replace(condition, measure=nll))
        worse = sum(one.conclusion == "higher" for one in found)
        gap = base.cell("test_ece").mean
        held = phrases.valued(base.cell(nll.field).mean, nll)
        also = "" if gap is None else f" and an ECE of {phrases.percent(gap)} %"
        many = f"{worse} {'is' if worse == 1 else 'are'} shown to have a higher one"
        said = [
            f"Probabilities: no loss is shown to have a lower NLL than {code(base.label)}, which "
            f"has {held}{also}; {many}{_scaled(condition, base)}."
        ]
    if all(run.get("temperature_images") == 0 for run in base.runs):
        said.append(
            "What temperature scaling would leave was not measured: no training images were left "
            "to fit it on."
        )
    return said


def why_silent(condition: Condition, results: Sequence[Result]) -> str:
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
        why = why_silent(condition, results)
        said = [f"Nothing is compared: {why}."]
        return said if condition.trial else [*said, *_calibrated(measured)]
    against, said = phrases.reference(condition), []
    if base is not None:
        c = next(one.cell for one in results if one.arm is base)
        low, high = (phrases.number(end, m) for end in (c.low, c.high))
        span = "" if c.low is None else f", 95 % interval {low} to {high}"
        said.append(
            f"{phrases.valued(c.mean, m)} {m.name}{m.when}: the baseline {against} (n={c.n}{span})."
        )
    ordered = phrases.ordered(condition, results)
    said += [_best(condition, ordered, against)] if len(ordered) > 1 else []
    order = sorted(WORDS, key=lambda word: word != m.better)
    groups: dict[str, list[Result]] = defaultdict(list)
    for one in sorted(ordered, key=lambda one: order.index(one.conclusion)):
        groups[phrases.shown(one, m)].append(one)
    for told, mine in groups.items():
        sides = [mine]
        if len(mine) > MOST_NAMED:
            above = [one for one in mine if (one.difference.mean or 0) > 0]
            sides = [above, [one for one in mine if one not in above]]
        for side in filter(None, sides if m.higher_is_better else reversed(sides)):
            listed = [
                f"{phrases.effect(one.difference, m)} for {code(one.arm.label)}" for one in side
            ]
            if len(side) > MOST_NAMED:
                listed = [listed[0], f"{len(side) - 2} between", listed[-1]]
            said.append(f"{'; '.join(listed)}: {told}, against {against}.")
    said += _power(condition, ordered) + _cost(condition)
    return said + _on_probabilities(condition) + _calibrated(measured)


def _power(condition: Condition, ordered: Sequence[Result]) -> list[str]:
    """Which true difference these seeds could find."""
    m = condition.measure
    found = [d for one in ordered if (d := detectable(one.difference)) is not None]
    if not found:
        return []
    return [
        f"80 % of such surveys would find a true difference of {phrases.plain(median(found), m)}"
        + (", for the median loss and before Holm's correction." if len(found) > 1 else ".")
    ]


def _cost(condition: Condition) -> list[str]:
    """What a run costs by its loss, on the kind of machine that made the baseline."""
    if (told := spent(condition)) is None:
        return []
    (least, first), (most, last), usual, unit = told
    base = phrases.reference(condition)
    return [
        f"Training took {least:.0f} ({code(first)}) to {most:.0f} {unit} ({code(last)}) in the "
        f"mean of a loss, of {base} {usual:.0f}, {BUSY}."
    ]


def spent(
    condition: Condition,
) -> tuple[tuple[float, str], tuple[float, str], float, str] | None:
    """The least and the most seconds of training, each with its loss, those of the baseline, and
    what they are; None where nothing can be compared."""
    base = condition.baseline
    if base is None or condition.judge.untrained:
        return None
    held = {arm.label: seconds for arm in condition.arms if (seconds := costs(arm, condition)[0])}
    if base.label not in held or len(held) < 2:
        return None
    least, *_, most = sorted((mean(v), label) for label, v in held.items())
    return least, most, mean(held[base.label]), costs(base, condition)[1]


def comparison(found: Found, a: str, b: str) -> list[str]:
    """What `--compare` asks: loss `a` minus loss `b`, a sentence a condition that has both, then
    one of the others."""
    said, missing = [], []
    for condition, _ in found:
        d, m = arms.compare(condition, a, b), condition.measure
        if d is not None:
            word = phrases.concluded(conclusion(d, d.p, m.margin), m)
            what = f"{code(a)} minus {code(b)} in {phrases.place(condition)}"
            said.append(f"**{phrases.effect(d, m)}** in {m.name} for {what}: {word}.")
        elif not condition.judge.untrained and not condition.trial:
            missing.append(phrases.place(condition))
    told = f"{code(a)} and {code(b)} are not both measured in {', '.join(missing)}."
    return [*said, *([told] if missing else [])]


def across(told: Across) -> list[str]:
    """What holds over several conditions: the largest gain, and the best rank."""
    m, losses = told.measure, told.losses
    first = losses[0]
    bases = {c.baseline.label for c in told.conditions if c.baseline is not None}
    others = [one for one in losses if one.label not in bases]
    most = max(others, key=lambda one: m.sign * one.iqm)
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
    effect = phrases.changed(most.iqm, m)
    if most.low is not None and most.high is not None:
        span = f"bootstrap interval {phrases.signed(most.low, m)} to {phrases.signed(most.high, m)}"
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
    also = {"holds": f"{plain} as not resolved in both"} if plain else {}
    for what in ("not confirmed", "turned over"):
        where: dict[str, list[str]] = defaultdict(list)
        for one in repeated:
            if one.outcome == what:
                where[one.condition.setting].append(one.here.arm.label)
        lists = [f"{phrases.named(labels)} in {code(key)}" for key, labels in where.items()]
        also[what] = "; ".join(lists)
    told = []
    for what in OUTCOMES:
        if what == "not there" or (not counts[what] and what != "turned over"):
            continue
        verb = (PLURAL if counts[what] > 1 else ONE).get(what, what)
        told.append(f"{counts[what] or 'none'} {verb}")
        told[-1] += f" ({also[what]})" if also.get(what) else ""
    there = [one.there for one in repeated if one.there is not None]
    same = sum(
        one.there.arm.by_seed("seed") == one.here.arm.by_seed("seed")
        for one in repeated
        if one.there is not None
    )
    by = ""
    if same:
        which = "all" if same == len(there) else f"{same} of them"
        by = f"; {which} by the same seeds, which tests the machine and not the luck of the seeds"
    many = f"{len(there)} of {len(repeated)} statements are in {code(name)}, too"
    return [f"{many}: {', '.join(told)}{by}."] + [
        f"{beside(one)}." for one in repeated if one.outcome in ("turned over", "not confirmed")
    ]


def beside(one: Again) -> str:
    """A statement, here and there."""
    m = one.condition.measure
    here, *there = (
        f"{phrases.effect(found.difference, m)}: {phrases.shown(found, m)}"
        for found in (one.here, one.there)
        if found is not None
    )
    also = f"; there {there[0]}" if there else ""
    where = f"{phrases.place(one.condition)}, {code(one.here.arm.label)}"
    return f"{one.outcome}: {where}: here {here}{also}"


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
        places = [phrases.place(condition) for condition, _ in found if condition.trial == trial]
        said.append(
            f"**{trial[0].upper()}{trial[1:]}: no finding.** The runs in {'; '.join(places)} show "
            "that everything is connected. Their numbers say nothing about a loss and are compared "
            "with no others."
        )
    few: dict[int, list[str]] = defaultdict(list)
    for condition, results in found:
        counts = [one.cell.n for one in results if one.arm is condition.baseline]
        if any(one.differences for one in results) and counts and counts[0] < BASELINE_SEEDS:
            few[counts[0]].append(phrases.place(condition))
    said += [
        f"**Few seeds of the baseline:** {n} in {'; '.join(places)}. {BASELINE_SEEDS} are asked "
        "for, because its own error is in every difference."
        for n, places in sorted(few.items())
    ]
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
    where = phrases.place(condition)
    return (
        f"**Other machines than the baseline's** in {where}: {', '.join(told)}. A difference to it "
        "may be in part one of the machines."
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
            told.append(f"{phrases.ends([f'{n:,}' for n in sizes])} training images")
        if noise and noise[-1]:
            share = phrases.ends([phrases.percent(x) for x in noise])
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
    seeds = phrases.ends([str(n) for n in counts]) or "no"
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


def _calibrated(measured: Sequence[Result]) -> list[str]:
    near = [code(one.arm.label) for one in measured if one.calibrated]
    return [
        f"ECE within two sd of what a perfectly calibrated model would get, in every seed: "
        f"{', '.join(near)}."
    ] if near else []  # fmt: skip
