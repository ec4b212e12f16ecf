"""The sentences of a report, generated from its numbers; Markdown, one sentence an item."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from lossatlas.analysis import arms
from lossatlas.analysis.across import Across
from lossatlas.analysis.again import OUTCOMES, Again
from lossatlas.analysis.arms import TRIALS, Condition, Result, Row, is_finished
from lossatlas.analysis.measures import Measure, words
from lossatlas.analysis.statistics import BASELINE_SEEDS, LEAST, Difference, conclusion
from lossatlas.data.scenarios import names, says
from lossatlas.pages.escape import code
from lossatlas.report.tables import number, percent, signed

Found = Sequence[tuple[Condition, Sequence[Result]]]

ALWAYS = (
    "*Not resolved* means that these seeds cannot tell the two apart; it does not mean that they "
    "are equal. *Equivalent* means that the 95 % interval of the difference lies within half a "
    "point on either side.",
    "How often such statements are wrong, and what they miss, was simulated: docs/statistics.md.",
    "The results hold for this model, this budget and these data; a longer recipe may order the "
    "losses otherwise.",
    "Hyperparameters that are not named with a loss are the defaults of its card and were not "
    "tuned.",
    "The last epoch is the primary number and was fixed beforehand. The best epoch is chosen on "
    "the test images; it is shown only as what an oracle would gain.",
    "Calibration reads the softmax of a loss's scores as probabilities, or what the loss says they "
    "mean where its card has a link of its own. Hinge losses and others marked † do not aim at "
    "that, so their NLL and ECE describe the scores, not a failure.",
    "An ECE near its floor is no evidence of miscalibration; the floor is simulated from the "
    "model's own confidences.",
    "p-values are corrected over the losses of one scenario (Holm), not over scenarios.",
    "Embedding losses do not see what the classifiers see; the two tables cannot be compared.",
)
RATES = {
    "tuned": "Learning rates called tuned come from a small grid on held-out training images, one "
    "seed each.",
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
MOST_NAMED = 12  # losses in one sentence


def answer(condition: Condition, results: Sequence[Result]) -> list[str]:
    """What a condition shows, with numbers and intervals."""
    where = f"In {place(condition)}"
    measured = [one for one in results if one.cell.mean is not None]
    if not measured:
        return [f"{where}, no run has finished with an accuracy yet."]
    if condition.trial:
        return [f"{where}, the numbers are no finding ({condition.trial}) and are not compared."]
    if condition.judge.untrained:
        return [_embedding(where, one) for one in measured]
    calibrated = _calibrated(where, measured)
    base, against, m = condition.baseline, code(condition.against), condition.measure
    if base is None:
        failed = any(arm.loss == condition.against for arm in condition.arms)
        why = f"no run of {against} has finished" if failed else f"no run of {against} is there"
        return [f"{where}, {why}, so that nothing is compared.", *calibrated]
    c = next(one.cell for one in results if one.arm is base)
    if c.mean is None:
        said = f"{where}, the runs of the baseline {code(base.label)} left no {m.name}"
        return [f"{said}, so that nothing is compared.", *calibrated]
    span = "" if c.low is None else f", 95 % interval {number(c.low, m)} to {number(c.high, m)}"
    few = (
        f"; {BASELINE_SEEDS} seeds are asked for, because its own error is in every difference"
        if c.n < BASELINE_SEEDS
        else ""
    )
    unit = " %" if m.unit == "points" else f" {m.unit}".rstrip()
    said = (
        f"{where}, the baseline {code(base.label)} has {m.name} {number(c.mean, m)}{unit} in the "
        f"last epoch (n={c.n}{span}{few})."
    )
    others = [one for one in measured if one.arm is not base]
    return [said, *_compared(where, condition, others), *calibrated]


def comparison(found: Found, a: str, b: str) -> list[str]:
    """What `--compare` asks: loss `a` minus loss `b`, a sentence a condition."""
    said = []
    for condition, _ in found:
        d, m = arms.compare(condition, a, b), condition.measure
        where = f"In {place(condition)}"
        if d is None:
            if not condition.judge.untrained and not condition.trial:
                said.append(f"{where}, {code(a)} and {code(b)} have not both {m.name}.")
            continue
        word = _word(conclusion(d, d.p, m.margin), d, m)
        said.append(f"{where}, {code(a)} minus {code(b)}: {_effect(d, m)}: {word}.")
    return said


def across(told: Across) -> list[str]:
    """What holds over several conditions: the best rank, and the largest gain."""
    m, losses = told.measure, told.losses
    first = losses[0]
    most = (max if m.higher_is_better else min)(losses, key=lambda one: one.iqm)
    where = f"Over {len(told.conditions)} scenarios and recipes on {code(told.conditions[0].data)}"
    said = [
        f"{where}, {code(first.label)} has the best mean rank of {len(losses)} losses that are in "
        f"all: {first.rank:.1f} (sd {first.rank_sd:.1f})."
    ]
    if most.iqm:
        span = "no interval from two" if len(told.conditions) == 2 else "no interval"
        if most.low is not None:
            span = f"95 % interval {signed(most.low, m)} to {signed(most.high, m)}"
        said.append(
            f"{where}, the largest gain has {code(most.label)}: interquartile mean of its runs' "
            f"differences to the baseline {signed(most.iqm, m)}{f' {m.unit}'.rstrip()} ({span}); "
            f"a run of it is better than one of the baseline with probability {most.better:.2f}."
        )
    return said


def checked(repeated: Sequence[Again], name: str) -> list[str]:
    """Which statements hold in other runs."""
    counts = Counter(one.outcome for one in repeated)
    told = ", ".join(f"{what} {counts[what]}" for what in OUTCOMES if counts[what])
    said = [f"Statements made again from {code(name)}: {told} of {len(repeated)}."]
    return said + [
        f"{beside(one)}." for one in repeated if one.outcome in ("turned over", "not confirmed")
    ]


def beside(one: Again) -> str:
    """A statement, here and there."""
    here = f"{_effect(one.here, one.measure)}: {one.conclusion}"
    there = "" if one.there is None else f"; there {_effect(one.there, one.measure)}: {one.other}"
    return f"{one.outcome}: {place(one.condition)}, {code(one.label)}: here {here}{there}"


def place(condition: Condition) -> str:
    """Where a number was measured: scenario, kind of loss, recipe, model and data."""
    named = (("recipe", condition.recipe), ("model", condition.model), ("data", condition.data))
    told = ", ".join(f"{k} {code(v)}" for k, v in named)
    return f"{code(condition.setting)}{condition.judge.whose} ({told})"


def notices(found: Found, runs: Sequence[Row]) -> list[str]:
    """What must be known before any number is read."""
    said = []
    for trial in dict.fromkeys(condition.trial for condition, _ in found if condition.trial):
        places = [place(condition) for condition, _ in found if condition.trial == trial]
        said.append(
            f"**{trial[0].upper()}{trial[1:]}: no finding.** The runs in {'; '.join(places)} show "
            "that everything is connected. Their numbers say nothing about a loss and are compared "
            "with no others."
        )
    kinds = machines(runs)
    if len(kinds) > 1:
        told = "; ".join(f"{code(kind)} ({n} {_runs(n)})" for kind, n in kinds.items())
        said.append(
            f"**Rows of {len(kinds)} kinds of machine:** {told}. Runs of one id differ between "
            "kinds of processor, by up to about a point of accuracy; they are bit-identical on one "
            "machine only. Pairs of one seed that were made on different kinds are less alike."
        )
    return said


def machines(runs: Sequence[Row]) -> dict[str, int]:
    """How many finished runs each kind of machine has made, as far as their rows tell them apart:
    rows of older stores hold neither the processor's model nor its instructions."""
    counts: dict[str, int] = defaultdict(int)
    for row in filter(is_finished, runs):
        hardware = str(row.get("hardware", "a machine that is not named"))
        fields = () if row.get("device") == "cuda" else ("cpu", "cpu_capability")
        told = [str(row[field]) for field in fields if field in row]
        counts[f"{hardware} ({'; '.join(told)})" if told else hardware] += 1
    return dict(sorted(counts.items()))


def of_loss(loss: str, found: Found) -> list[str]:
    """What was measured for one loss, a line an arm."""
    said = []
    for condition, results in found:
        for one in results:
            if one.arm.loss != loss:
                continue
            c, d = one.cell, one.difference
            line = f"{place(condition)}, {code(one.arm.label)}: "
            if c.mean is None:
                said.append(line + "no run has finished with an accuracy.")
                continue
            m = condition.measure
            line += f"{m.name} {number(c.mean, m)}{' %' if m.unit == 'points' else ''} (n={c.n}"
            line += ")" if c.sd is None else f", sd {number(c.sd, m)})"
            if condition.trial:
                line += f"; no finding ({condition.trial})"
            if d.mean is not None:
                against = condition.judge.against or code(condition.against)
                line += f"; to {against} {_effect(d, m)}: {_word(one.conclusion, d, m)}"
            said.append(line + ".")
    return said


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
    said = [f"Each number rests on {seeds} {'seed' if counts == [1] else 'seeds'} per loss."]
    said += [ONE_SEED] if 1 in counts else []
    said += [FEW_SEEDS] if counts and counts[0] < LEAST else []
    sources = {run.get("lr_source") for one in everything for run in one.arm.runs}
    said += [text for source, text in RATES.items() if source in sources]
    said += ALWAYS
    said += words([run for one in everything for run in one.arm.runs])
    held = {(condition.recipe, condition.data) for condition, _ in found}
    said += [one["says"] for one in provenance if (one["recipe"], one["data"]) in held]
    kinds = machines([run for one in everything for run in one.arm.runs])
    if len(kinds) == 1:
        said.append(
            f"All runs were made on one kind of machine, {code(*kinds)}, as far as their rows "
            "tell: another kind gives other weights, and accuracies up to about a point apart."
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


def _compared(where: str, condition: Condition, others: Sequence[Result]) -> list[str]:
    """Effect first, then what is known of it; the resolved ones a sentence each."""
    m, baseline = condition.measure, condition.against
    base = condition.baseline
    against = code(base.label if base else baseline)
    ordered = sorted(
        others, key=lambda one: -(one.difference.mean or 0) * (1 if m.higher_is_better else -1)
    )
    said = []
    for one in ordered:
        if one.conclusion in ("higher", "lower"):
            word = _word(one.conclusion, one.difference, m)
            word += f", by less than {100 * (m.margin or 0):g} points" if one.within else ""
            pairs = ""
            if one.paired is not None:
                p = one.paired
                pairs = (
                    f" (by {p.n} pairs of one seed {signed(p.mean, m)}, "
                    f"{signed(p.low, m)} to {signed(p.high, m)})"
                )
            said.append(
                f"{where}, {code(one.arm.label)} against {against}: "
                f"{_effect(one.difference, m)}: {word}{pairs}."
            )
    groups = (
        ("equivalent", f"equivalent within ±{100 * (m.margin or 0):g} points"),
        ("not resolved", "not resolved after Holm's correction"),
        ("too few seeds", f"too few seeds for a statement ({LEAST} of each loss are asked for)"),
        ("no test", "no test, without spread between the seeds"),
    )
    for word, told in groups:
        mine = [one for one in ordered if one.conclusion == word]
        if mine:
            listed = [
                f"{code(one.arm.label)} {_effect(one.difference, m)}" for one in mine[:MOST_NAMED]
            ]
            more = len(mine) - len(listed)
            listed += [f"and {more} more in the table"] if more else []
            said.append(f"{where}, against {against} {told}: {'; '.join(listed)}.")
    return said


def _word(text: str, d: Difference, m: Measure) -> str:
    """A conclusion in a sentence; what is higher is not always better."""
    if text in ("higher", "lower"):
        return f"{text}, {'better' if (text == 'higher') is m.higher_is_better else 'worse'}"
    return f"equivalent within ±{100 * (m.margin or 0):g} points" if text == "equivalent" else text


def _effect(d: Difference, m: Measure) -> str:
    """A difference with its interval and the seeds on either side."""
    unit = f" {m.unit}".rstrip()
    span = "no interval"
    if d.low is not None:
        span = f"95 % interval {signed(d.low, m)} to {signed(d.high, m)}"
    return f"{signed(d.mean, m)}{unit} ({span}, n={d.n} against {d.m})"


def _calibrated(where: str, measured: Sequence[Result]) -> list[str]:
    near = [one for one in measured if one.calibrated]
    return [
        f"{where}, the ECE of {_names(near)} is within two sd of what a perfectly calibrated model "
        "would get, in every seed."
    ] if near else []  # fmt: skip


def _embedding(where: str, one: Result) -> str:
    d, gain = one.difference, ""
    if d.mean is not None:
        way = "above" if d.mean > 0 else "below"
        span = (
            "no interval"
            if d.low is None
            else f"95 % interval {percent(d.low)} to {percent(d.high)}"
        )
        gain = f", {percent(abs(d.mean))} points {way} the same encoder before training (n={d.n}, {span}): {one.conclusion}"  # noqa: E501
    return (
        f"{where}, the frozen features of {code(one.arm.label)} give {percent(one.cell.mean)} % by "
        f"kNN (n={one.cell.n}){gain}."
    )


def _runs(n: int) -> str:
    return "run" if n == 1 else "runs"


def _ends(ascending: Sequence[str]) -> str:
    """The first to the last, or the one there is; empty for none."""
    return " to ".join(dict.fromkeys((*ascending[:1], *ascending[-1:])))


def _names(many: Sequence[Result]) -> str:
    *first, last = [f"{code(one.arm.label)}" for one in many]
    return f"{', '.join(first)} and {last}" if first else last
