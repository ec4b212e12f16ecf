"""The sentences of a report, generated from its numbers; Markdown, one sentence an item."""

from collections.abc import Sequence

from lossatlas.report.arms import BASELINE, Condition, Result
from lossatlas.report.statistics import Difference
from lossatlas.report.tables import percent, points

Found = Sequence[tuple[Condition, Sequence[Result]]]

ALWAYS = (
    "*Not resolved* means that these seeds cannot tell the two apart; it does not mean that they "
    "are equal.",
    "The results hold for this model, this budget and these data; a longer recipe may order the "
    "losses otherwise.",
    "Learning rates come from a small grid on held-out training images, one seed each; other "
    "hyperparameters are the defaults of the cards and were not tuned.",
    "No rate was picked by a test score, but the test images are not untouched: the base recipe "
    "was screened on them, and the rule that picks among nearly equal rates was introduced after "
    "the test accuracies of a first survey had been seen. Absolute accuracies may be a little "
    "optimistic, and the comparison is exploratory, not preregistered.",
    "The last epoch is the primary number and was fixed beforehand. The best epoch is chosen on "
    "the test images; it is shown only as what an oracle would gain.",
    "Calibration reads the softmax of every loss's scores as probabilities. Hinge losses and "
    "others marked † do not aim at that, so their NLL and ECE describe the scores, not a failure.",
    "An ECE near its floor is no evidence of miscalibration; the floor is simulated from the "
    "model's own confidences.",
    "p-values are corrected over the losses of one scenario (Holm), not over scenarios.",
    "Embedding losses do not see what the classifiers see; the two tables cannot be compared.",
)
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
    where = f"In `{condition.setting}`"
    measured = [one for one in results if one.cell.mean is not None]
    if not measured:
        return [f"{where}, no run has finished with an accuracy yet."]
    if condition.embeds:
        return [_embedding(where, one) for one in measured]
    calibrated = _calibrated(where, measured)
    if condition.baseline is None:
        return [f"{where} no run of `{BASELINE}` is there to compare with.", *calibrated]
    c = next(one.cell for one in measured if one.arm is condition.baseline)
    span = "" if c.low is None else f", 95 % interval {percent(c.low)} to {percent(c.high)}"
    said = f"{where}, the baseline `{condition.baseline.label}` reaches {percent(c.mean)} % in the last epoch (n={c.n}{span})."  # noqa: E501
    others = [one for one in measured if one.arm is not condition.baseline]
    return [said, *_compared(where, condition.baseline.label, others), *calibrated]


def of_loss(loss: str, found: Found) -> list[str]:
    """What was measured for one loss, a line an arm."""
    said = []
    for condition, results in found:
        for one in results:
            if one.arm.loss != loss:
                continue
            c, d = one.cell, one.difference
            line = f"`{condition.setting}`, `{one.arm.label}`: "
            if c.mean is None:
                said.append(line + "no run has finished with an accuracy.")
                continue
            line += f"{'kNN' if condition.embeds else 'test'} accuracy {percent(c.mean)} % (n={c.n}"
            line += ")" if c.sd is None else f", sd {percent(c.sd)})"
            if d.mean is not None:
                against = "the untrained encoder" if condition.embeds else f"`{BASELINE}`"
                line += f"; {points(d.mean)} points to {against} {_span(d)}: {one.conclusion}"
            said.append(line + ".")
    return said


def limits(found: Found) -> list[str]:
    """What cannot be concluded from these runs."""
    everything = [one for _, results in found for one in results]
    counts = sorted({one.cell.n for one in everything if one.cell.n})
    seeds = " to ".join(dict.fromkeys(str(n) for n in (*counts[:1], *counts[-1:]))) or "no"
    said = [f"Each number rests on {seeds} {'seed' if counts == [1] else 'seeds'} per loss."]
    said += [ONE_SEED] if 1 in counts else []
    said += [TWO_SEEDS] if 2 in counts else []
    said += ALWAYS
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
        f"{where}, `{one.arm.label}` is {percent(abs(one.difference.mean or 0))} points "
        f"{one.conclusion} than `{baseline}` {_span(one.difference)}."
        for one in sorted(others, key=lambda one: -(one.difference.mean or 0))
        if one.conclusion in ("higher", "lower")
    ]
    tied = [one for one in others if one.conclusion == "not resolved"]
    if tied:
        least = sorted(one.difference.detectable or 0 for one in tied)
        spread = " to ".join(dict.fromkeys((percent(least[0]), percent(least[-1]))))
        seen = _range([one.difference.mean or 0 for one in tied])
        verb = "does not differ" if len(tied) == 1 else "do not differ"
        subject = "no loss differs" if len(tied) == len(others) else f"{_names(tied)} {verb}"
        pairs = ", ".join(str(n) for n in sorted({one.difference.n for one in tied}))
        said.append(
            f"{where}, {subject} from `{baseline}` by more than these seeds can resolve "
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
            f"`{baseline}`, without an interval."
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
        f"{where}, the frozen features of `{one.arm.label}` give {percent(one.cell.mean)} % by kNN "
        f"(n={one.cell.n}){gain}."
    )


def _range(differences: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys((points(min(differences)), points(max(differences)))))


def _span(d: Difference) -> str:
    span = "no interval" if d.low is None else f"95 % interval {points(d.low)} to {points(d.high)}"
    return f"(n={d.n}, {span})"


def _names(many: Sequence[Result]) -> str:
    *first, last = [f"`{one.arm.label}`" for one in many]
    return f"{', '.join(first)} and {last}" if first else last
