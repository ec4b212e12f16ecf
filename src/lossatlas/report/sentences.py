"""The sentences of a report, generated from its numbers; Markdown, one sentence an item."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lossatlas.analysis.arms import BASELINE, TRIALS, Condition, Result, Row, is_finished
from lossatlas.analysis.statistics import Difference
from lossatlas.data.scenarios import names, says
from lossatlas.pages.escape import code
from lossatlas.report.tables import percent, points

Found = Sequence[tuple[Condition, Sequence[Result]]]

ALWAYS = (
    "*Not resolved* means that these seeds cannot tell the two apart; it does not mean that they "
    "are equal.",
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
TWO_SEEDS = (
    "Two seeds are weak evidence: the 95 % t-interval reaches 9.0 standard deviations to each "
    "side, a standard deviation from two numbers is itself hardly known, and a paired test finds "
    "only differences 11.5 times as large as it."
)


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
    if condition.baseline is None:
        return [f"{where}, no run of `{BASELINE}` is there to compare with.", *calibrated]
    c = next(one.cell for one in measured if one.arm is condition.baseline)
    span = "" if c.low is None else f", 95 % interval {percent(c.low)} to {percent(c.high)}"
    said = f"{where}, the baseline {code(condition.baseline.label)} reaches {percent(c.mean)} % in the last epoch (n={c.n}{span})."  # noqa: E501
    others = [one for one in measured if one.arm is not condition.baseline]
    return [said, *_compared(where, condition.baseline.label, others), *calibrated]


def place(condition: Condition) -> str:
    """Where a number was measured: scenario, recipe, model and data."""
    named = (("recipe", condition.recipe), ("model", condition.model), ("data", condition.data))
    return f"{code(condition.setting)} ({', '.join(f'{k} {code(v)}' for k, v in named)})"


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
            line += f"{condition.judge.says} {percent(c.mean)} % (n={c.n}"
            line += ")" if c.sd is None else f", sd {percent(c.sd)})"
            if condition.trial:
                line += f"; no finding ({condition.trial})"
            if d.mean is not None:
                against = condition.judge.against or f"`{BASELINE}`"
                line += f"; {points(d.mean)} points to {against} {_span(d)}: {one.conclusion}"
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
    said += [TWO_SEEDS] if 2 in counts else []
    sources = {run.get("lr_source") for one in everything for run in one.arm.runs}
    said += [text for source, text in RATES.items() if source in sources]
    said += ALWAYS
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


def _compared(where: str, baseline: str, others: Sequence[Result]) -> list[str]:
    said = [
        f"{where}, {code(one.arm.label)} is {percent(abs(one.difference.mean or 0))} points "
        f"{one.conclusion} than {code(baseline)} {_span(one.difference)}."
        for one in sorted(others, key=lambda one: -(one.difference.mean or 0))
        if one.conclusion in ("higher", "lower")
    ]
    tied = [one for one in others if one.conclusion == "not resolved"]
    if tied:
        least = sorted(one.difference.detectable or 0 for one in tied)
        spread = _ends([percent(x) for x in least])
        seen = _range([one.difference.mean or 0 for one in tied])
        verb = "does not differ" if len(tied) == 1 else "do not differ"
        subject = "no loss differs" if len(tied) == len(others) else f"{_names(tied)} {verb}"
        pairs = ", ".join(str(n) for n in sorted({one.difference.n for one in tied}))
        said.append(
            f"{where}, {subject} from {code(baseline)} by more than these seeds can resolve "
            f"after Holm's correction (n={pairs}, seen {seen} points, detectable difference "
            f"{spread} points before the correction)."
        )
    untested = [one for one in others if one.conclusion == "no test"]
    if untested:
        seen = _range([one.difference.mean or 0 for one in untested])
        one_pair = all(one.difference.n == 1 for one in untested)
        why = "with one pair of seeds" if one_pair else "without spread between the seeds"
        said.append(
            f"{where}, {_names(untested)} cannot be tested {why}: {seen} points to "
            f"{code(baseline)}, without an interval."
        )
    return said


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
        gain = f", {percent(abs(d.mean))} points {way} the same encoder before training {_span(d)}"
    return (
        f"{where}, the frozen features of {code(one.arm.label)} give {percent(one.cell.mean)} % by "
        f"kNN (n={one.cell.n}){gain}."
    )


def _runs(n: int) -> str:
    return "run" if n == 1 else "runs"


def _range(differences: Sequence[float]) -> str:
    return _ends([points(x) for x in sorted(differences)])


def _ends(ascending: Sequence[str]) -> str:
    """The first to the last, or the one there is; empty for none."""
    return " to ".join(dict.fromkeys((*ascending[:1], *ascending[-1:])))


def _span(d: Difference) -> str:
    span = "no interval" if d.low is None else f"95 % interval {points(d.low)} to {points(d.high)}"
    return f"(n={d.n}, {span})"


def _names(many: Sequence[Result]) -> str:
    *first, last = [f"{code(one.arm.label)}" for one in many]
    return f"{', '.join(first)} and {last}" if first else last
