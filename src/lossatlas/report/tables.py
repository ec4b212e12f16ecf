"""From numbers to tables of strings, which both pages print; the numbers stay beside."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lossatlas.analysis import arms, statistics
from lossatlas.analysis.across import Across
from lossatlas.analysis.again import Again
from lossatlas.analysis.arms import SETTINGS, Arm, Condition, Result, Row, is_finished
from lossatlas.analysis.judges import judge_of
from lossatlas.analysis.measures import ACCURACY, Measure
from lossatlas.pages.escape import code
from lossatlas.pages.tables import Table, table, value

ENVIRONMENT = (
    "parameters", "threads", "device", "hardware", "cpu", "cpu_capability", "python", "torch",
    "lightning", "lossatlas",
)  # fmt: skip
SIGN = {
    "higher": "▲ higher", "lower": "▼ lower", "equivalent": "= equivalent",
    "not resolved": "≈ not resolved",
}  # fmt: skip
IMPROPER = (
    "† Not strictly proper by its card: the softmax of its scores is read as probabilities here as "
    "for every loss, but the loss was not made to produce them."
)

Tuned = Sequence[Mapping[str, Any]]  # tables of tuned rates, each of a recipe
Holders = tuple[set[str], set[str]]  # the scenarios and the losses of the runs that hold a value


def accuracy_table(
    condition: Condition, results: Sequence[Result], improper: Sequence[str], tuned: Tuned
) -> Table:
    """Classifiers: accuracy (or what else they are compared by) with its interval, calibration,
    time and tuning budget."""
    measure, body = condition.measure, []
    for one in sorted(results, key=best_first(condition)):
        best, last, nll, ece, floor, floor_sd = (
            one.arm.cell(field).mean
            for field in (
                "best_test_accuracy", "test_accuracy", "test_nll", "test_ece", "test_ece_floor",
                "test_ece_floor_sd",
            )
        )  # fmt: skip
        gap = None if best is None or last is None else best - last
        mark = " †" if one.arm.loss in improper and nll is not None else ""
        body.append(
            [
                *_measured_cells(one, measure),
                *([] if measure is ACCURACY else [value(percent(last), last)]),
                value(percent(gap), gap),
                value(("–" if nll is None else f"{nll:.3f}") + mark, nll),
                value(percent(ece) + mark, ece),
                value(_plus_minus(floor, floor_sd), floor),
                *_cost_cells(one.arm, condition, tuned),
            ]
        )
    what = "accuracy" if measure is ACCURACY else measure.name
    head = ["Loss", *_measured_head(what, measure)]
    head += [] if measure is ACCURACY else ["accuracy, %"]
    head += ["best − last epoch, points", "NLL, nats", "ECE, %", "ECE floor, % (± sd)", *COST_HEAD]
    notes = ["Sorted by the mean; rows that the seeds cannot tell apart are not a ranking."]
    notes += [IMPROPER] if any(one.arm.loss in improper for one in results) else []
    name = measure.name[0].upper() + measure.name[1:]
    return table(f"{name} in the last epoch: {condition.title}", head, body, notes)


def embedding_table(condition: Condition, results: Sequence[Result], tuned: Tuned) -> Table:
    """Embedders: kNN and linear-probe accuracy of frozen features, and the gain by training."""
    measure, body = condition.measure, []
    for one in sorted(results, key=best_first(condition)):
        untrained = one.arm.cell(condition.judge.untrained).mean
        gain, probe = one.difference, one.arm.cell("probe_accuracy")
        body.append(
            [
                *_measured_cells(one, measure),
                value(percent(untrained), untrained),
                value(points(gain.mean), gain.mean),
                value(_interval(gain.low, gain.high, points), gain.low),
                value(concluded(one)),
                value(_plus_minus(probe.mean, probe.sd), probe.mean),
                *_cost_cells(one.arm, condition, tuned),
            ]
        )
    head = ["Loss", *_measured_head(measure.name, measure), "kNN untrained, %", "gain, points"]
    head += ["95 % interval", "after Holm", "linear probe, % (± sd)", *COST_HEAD]
    note = "Untrained is the same encoder before training: the zero line of this table."
    return table(f"Frozen features: {condition.title}", head, body, [note])


def difference_table(condition: Condition, results: Sequence[Result]) -> Table | None:
    """Classifiers against the baseline, by arms; None without a baseline."""
    if condition.baseline is None or len(results) < 2:
        return None
    measure = condition.measure

    def sign(v: float | None) -> str:
        return signed(v, measure)

    by_pairs = any(one.paired for one in results)
    body = []
    for one in sorted(results, key=best_first(condition)):
        if one.arm is condition.baseline:
            continue
        d, least = one.difference, statistics.detectable(one.difference)
        row = [
            named(one.arm),
            value(sign(d.mean), d.mean),
            value(_interval(d.low, d.high, sign), d.low),
            value(concluded(one)),
            value(f"{d.n} : {d.m}", d.n),
            value(_p(d.p), d.p),
            value(_p(one.p_holm), one.p_holm),
            value(number(least, measure), least),
        ]
        if by_pairs:
            pairs = one.paired
            text = "–"
            if pairs is not None:
                text = f"{sign(pairs.mean)} {_interval(pairs.low, pairs.high, sign)} ({pairs.n})"
            row.append(value(text, pairs.mean if pairs else None))
        body.append(row)
    unit = f", {measure.unit}" if measure.unit else ""
    head = ["Loss", f"difference{unit}", "95 % interval", "conclusion", "seeds : baseline's", "p"]
    head += ["p (Holm)", f"detectable{unit}"] + ["by pairs [95 % interval] (pairs)"] * by_pairs
    notes = [
        "By arms: Welch's t, each variance the larger of its own and the one that all arms of the "
        "scenario suggest. Detectable: the true difference that this test at level 0.05, before "
        "Holm, finds in 80 % of such surveys."
    ]
    if measure.margin is not None:
        notes.append(
            f"Equivalent: not resolved, and the interval lies within ±{100 * measure.margin:g} "
            "points; (=) marks a resolved difference that small."
        )
    caption = f"Difference to {condition.baseline.label}, {measure.name}: {condition.title}"
    return table(caption, head, body, notes)


def probability_table(
    condition: Condition, results: Sequence[Result], improper: Sequence[str]
) -> Table | None:
    """How good the probabilities are, by the measures that any run has; None for fewer than three
    (NLL and ECE stand beside the accuracy)."""
    held = [
        m
        for m in condition.judge.measures
        if not m.higher_is_better and any(one.arm.cell(m.field).n for one in results)
    ]
    if len(held) < 3:
        return None
    body = []
    for one in sorted(results, key=best_first(condition)):
        cells = [(m, one.arm.cell(m.field)) for m in held]
        mark = " †" if one.arm.loss in improper and any(c.n for _, c in cells) else ""
        body.append(
            [
                {**named(one.arm), "text": one.arm.label + mark},
                *(
                    value(
                        number(c.mean, m) + (f" ± {number(c.sd, m)}" if c.sd is not None else ""),
                        c.mean,
                    )
                    for m, c in cells
                ),
            ]
        )
    units = {"points": ", %", "nats": ", nats"}
    head = ["Loss", *(m.name + units.get(m.unit, "") for m in held)]
    notes = [
        "Mean ± sd over seeds; lower is better in every column. AURC: the error rate, averaged "
        "over all shares of images on which the most confident answers are kept."
    ]
    if any(m.field == "test_ece_debiased" for m in held):
        notes.append("Debiased: minus the floor of the ECE, not below 0.")
    notes += [IMPROPER] if any(one.arm.loss in improper for one in results) else []
    return table(f"Probabilities on the test images: {condition.title}", head, body, notes)


def comparison_table(
    found: Sequence[tuple[Condition, Sequence[Result]]], a: str, b: str
) -> Table | None:
    """Loss `a` minus loss `b` in every condition that has both; None where none has."""
    body = []
    for condition, _ in found:
        d, measure = arms.compare(condition, a, b), condition.measure
        if d is None:
            continue

        def sign(v: float | None, measure: Measure = measure) -> str:
            return signed(v, measure)

        body.append(
            [
                value(f"{condition.title}, {measure.name}"),
                value(sign(d.mean) + (f" {measure.unit}" if measure.unit else ""), d.mean),
                value(_interval(d.low, d.high, sign), d.low),
                value(SIGN.get(word := statistics.conclusion(d, d.p, measure.margin), word)),
                value(f"{d.n} : {d.m}", d.n),
                value(_p(d.p), d.p),
            ]
        )
    head = ["Scenario", "difference", "95 % interval", "conclusion", "seeds", "p"]
    note = "Asked for by name: p-values are corrected for no other comparison."
    return table(f"{a} minus {b}", head, body, [note]) if body else None


def across_table(told: Across) -> Table:
    """Losses over several conditions."""
    m = told.measure

    def sign(v: float | None) -> str:
        return signed(v, m)

    body = [
        [
            value(one.label),
            value(f"{one.rank:.1f} ± {one.rank_sd:.1f}", one.rank),
            value(f"{one.better:.2f}", one.better),
            value(sign(one.iqm), one.iqm),
            value(_interval(one.low, one.high, sign), one.low),
        ]
        for one in told.losses
    ]
    unit = f", {m.unit}" if m.unit else ""
    head = ["Loss", "mean rank ± sd", "P(better than the baseline)"]
    head += [f"IQM of differences{unit}", "95 % interval"]
    notes = [
        "Of losses that are in all of them, by their means; a rank says nothing of how far two are "
        "apart. The interval is a bootstrap over conditions and runs, from three conditions on; "
        "few runs make it too short. It speaks of conditions like these, not of all there are."
    ]
    where = "; ".join(condition.title for condition in told.conditions)
    return table(f"Over {len(told.conditions)} conditions, {m.name}: {where}", head, body, notes)


def checked_table(repeated: Sequence[Again], name: str) -> Table:
    """Statements beside those of other runs."""
    body = []
    for one in repeated:

        def told(d: statistics.Difference | None, measure: Measure = one.measure) -> str:
            def sign(v: float | None) -> str:
                return signed(v, measure)

            return "–" if d is None else f"{sign(d.mean)} {_interval(d.low, d.high, sign)}"

        body.append(
            [
                value(f"{one.label}, {one.condition.title}"),
                value(told(one.here), one.here.mean),
                value(SIGN[one.conclusion]),
                value(told(one.there), one.there.mean if one.there else None),
                value("–" if one.other is None else SIGN[one.other]),
                value(one.outcome),
            ]
        )
    head = ["Statement", "here [95 % interval]", "conclusion", "there", "conclusion there"]
    notes = [
        "Holds: the intervals overlap and the conclusion is the same; turned over: neither; not "
        "confirmed: one of the two."
    ]
    return table(f"Made again from {name}", [*head, "outcome"], body, notes)


def trouble_table(runs: Sequence[Row]) -> Table | None:
    """Runs that diverged, failed or are not finished, with their reason; None if there are none."""
    body = []
    for row in sorted(runs, key=lambda row: (row["state"], row["run_id"])):
        # how far a running run has come changes with the clock, and the page must not
        reason = "not finished" if row["state"] == "running" else row.get("reason", "none given")
        accuracy = row.get(judge_of(row.get("target")).measure.field)
        texts = (row["run_id"], row["state"], reason, percent(accuracy))
        if row["state"] != "done":
            body.append([value(text) for text in texts])
    head = ["Run", "state", "reason", "accuracy, %"]
    return table("Runs that are not done", head, body, words=True) if body else None


def used_rates(tuned: Tuned, runs: Sequence[Row]) -> list[dict[str, Any]]:
    """The parts of tables of tuned rates that gave a run of the report its rate."""
    used = {
        (row["recipe"], row["scenario"], row["loss"], float(row["lr"]))
        for row in filter(is_finished, runs)
        if row.get("lr_source") == "tuned" and {"recipe", "scenario", "loss", "lr"} <= set(row)
    }
    found = []
    for document in tuned:
        chosen: dict[str, dict[str, float]] = defaultdict(dict)
        for scenario, rates in document["chosen"].items():
            for loss, rate in rates.items():
                if (document["recipe"], scenario, loss, float(rate)) in used:
                    chosen[scenario][loss] = float(rate)
        rows = [row for row in document["rows"] if row["loss"] in chosen[row["scenario"]]]
        if rows:
            found.append({**document, "rows": rows, "chosen": dict(chosen)})
    return found


def tuning_tables(document: Mapping[str, Any]) -> list[Table]:
    """Held-out scores, a table a scenario, a row a loss, a column a learning rate."""
    found = []
    for scenario in dict.fromkeys(row["scenario"] for row in document["rows"]):
        scored = [row for row in document["rows"] if row["scenario"] == scenario]
        grid = sorted({float(lr) for lr in (*document["grid"], *(row["lr"] for row in scored))})
        chosen = document["chosen"][scenario]
        body = []
        for loss in dict.fromkeys(row["loss"] for row in scored):
            by_rate = {float(row["lr"]): row for row in scored if row["loss"] == loss}
            cells = [by_rate.get(lr, {"lr": lr, "state": "not run"}) for lr in grid]
            line = [_tuning_cell(cell, chosen.get(loss)) for cell in cells]
            body.append([{"text": loss, "loss": loss, "sort": None}, *line])
        edge = [code(loss) for loss, lr in chosen.items() if lr in (grid[0], grid[-1])]
        notes = ["◆ the rate used by these runs; score in % of the held-out images."]
        if edge:
            where = "At the edge of the grid, so that a better rate may lie outside"
            notes.append(f"{where}: {', '.join(edge)}.")
        head = ["Loss", *(f"lr {lr:g}" for lr in grid)]
        found.append(table(f"Tuning: {scenario}", head, body, notes))
    return found


def protocol_table(runs: Iterable[Row]) -> Table:
    """What the runs share, computed from them; what differs is told by scenario or by loss."""
    named_here = ("recipe", "model", "data", *SETTINGS[1:], *ENVIRONMENT)
    held: dict[str, dict[str, Holders]] = defaultdict(lambda: defaultdict(lambda: (set(), set())))
    seeds, rows, having = set(), 0, Counter[str]()
    for row in filter(is_finished, runs):
        rows += 1
        seeds.add(int(row["seed"]))
        scenario, loss = str(row.get("scenario")), str(row.get("loss"))
        for field, v in row.items():
            if field in named_here or field.startswith("config."):
                having[field] += 1
                scenarios, losses = held[field][_plain(v)]
                scenarios.add(scenario)
                losses.add(loss)
    body = []
    for field in [*named_here, *sorted(field for field in held if field.startswith("config."))]:
        if field in held:
            how = "equal" if len(held[field]) == 1 else "differs"
            how += "" if having[field] == rows else f", of {having[field]} that have it"
            cells = (field.removeprefix("config."), _told(held[field]), how)
            body.append([value(text) for text in cells])
    body.append([value("seeds"), value(", ".join(map(str, sorted(seeds)))), value("paired")])
    return table("Settings of all runs", ["Setting", "value", "over the runs"], body, words=True)


def named(arm: Arm) -> dict[str, Any]:
    """A cell that links to the section of the arm's loss."""
    return {"text": arm.label, "loss": arm.loss, "sort": None}


def percent(fraction: float | None) -> str:
    """0.70125 as 70.13; the minus is a real one; None is a dash."""
    return "–" if fraction is None else f"{100 * fraction:.2f}".replace("-", "−")


def points(fraction: float | None) -> str:
    """A signed difference in percentage points."""
    return "–" if fraction is None else f"{100 * fraction:+.2f}".replace("-", "−")


def number(v: float | None, measure: Measure) -> str:
    """A value of a measure: a share in percent, all else with three decimals."""
    if measure.unit == "points":
        return percent(v)
    return "–" if v is None else f"{v:.3f}".replace("-", "−")


def signed(v: float | None, measure: Measure) -> str:
    """A difference in a measure, with its sign."""
    if measure.unit == "points":
        return points(v)
    return "–" if v is None else f"{v:+.3f}".replace("-", "−")


def concluded(one: Result) -> str:
    """The conclusion as tables show it."""
    text = SIGN.get(one.conclusion, one.conclusion)
    return f"{text} (=)" if one.within and one.conclusion in ("higher", "lower") else text


def best_first(condition: Condition) -> Callable[[Result], tuple[float, str]]:
    """The key that sorts by the measure of the condition, the best first, the unmeasured last."""
    sign = -1 if condition.measure.higher_is_better else 1

    def key(one: Result) -> tuple[float, str]:
        return (math.inf if one.cell.mean is None else sign * one.cell.mean, one.arm.label)

    return key


COST_HEAD = ("training, s", "learning rate", "tuning runs")


def _measured_head(what: str, measure: Measure) -> list[str]:
    unit, spread = ("%", ", points") if measure.unit == "points" else (measure.unit, "")
    suffix = f", {unit}" if unit else ""
    return [what + suffix, "sd" + spread, "95 % t-interval" + suffix, "n"]


def _measured_cells(one: Result, measure: Measure) -> list[dict[str, Any]]:
    def plain(v: float | None) -> str:
        return number(v, measure)

    c = one.cell
    n = f"{c.n} ({one.diverged} diverged)" if one.diverged else str(c.n)
    return [
        named(one.arm),
        value(plain(c.mean), c.mean),
        value(plain(c.sd), c.sd),
        value(_interval(c.low, c.high, plain), c.low),
        value(n, c.n),
    ]


def _cost_cells(arm: Arm, condition: Condition, tuned: Tuned) -> list[dict[str, Any]]:
    seconds = arm.cell("train_s").mean
    rates = ", ".join(f"{lr:g}" for lr in sorted(set(arm.by_seed("lr").values())))
    sources = ", ".join(sorted({str(run["lr_source"]) for run in arm.runs if "lr_source" in run}))
    place = (arm.loss, condition.scenario)
    tried = sum(
        (row["loss"], row["scenario"]) == place
        for document in tuned
        if document["recipe"] == condition.recipe and "tuned" in sources
        for row in document["rows"]
    )
    return [
        value("–" if seconds is None else f"{seconds:.0f}", seconds),
        value((f"{rates} ({sources})" if sources else rates) or "–"),
        value(str(tried) if tried else "–", tried or None),
    ]


def _tuning_cell(row: Mapping[str, Any], chosen: float | None) -> dict[str, Any]:
    score = row.get("score")
    text = percent(score)
    if row["state"] != "done":
        text = row["state"] if score is None else f"{row['state']} ({text})"
    return value(text + (" ◆" if chosen == row["lr"] else ""), score)


def _told(held: Mapping[str, Holders]) -> str:
    distinct = sorted(held)
    for group in (0, 1) if len(distinct) > 1 else ():
        names = {text: held[text][group] for text in distinct}
        if sum(map(len, names.values())) == len(set().union(*names.values())):
            return "; ".join(f"{text} ({', '.join(sorted(names[text]))})" for text in distinct)
    return ", ".join(distinct)


def _interval(low: float | None, high: float | None, form: Callable[[float], str]) -> str:
    return "–" if low is None or high is None else f"[{form(low)}, {form(high)}]"


def _plus_minus(mean: float | None, sd: float | None) -> str:
    return percent(mean) if sd is None else f"{percent(mean)} ± {percent(sd)}"


def _p(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}"


def _plain(v: Any) -> str:
    return f"{v:.12g}" if isinstance(v, float) else str(v)
