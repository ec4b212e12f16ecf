"""From numbers to tables of strings, which both pages print; the numbers stay beside."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from lossatlas.analysis import arms, statistics
from lossatlas.analysis.across import Across
from lossatlas.analysis.again import Again
from lossatlas.analysis.arms import SETTINGS, Arm, Condition, Found, Result, Row, is_finished
from lossatlas.analysis.judges import judge_of
from lossatlas.analysis.machines import Between
from lossatlas.analysis.measures import MEASURES, Measure
from lossatlas.cards import Card
from lossatlas.names import scenario_key
from lossatlas.pages.tables import Table, table, value
from lossatlas.report.phrases import capital, number, percent, signed
from lossatlas.results.travel import machine

ENVIRONMENT = (
    "parameters", "threads", "device", "precision", "hardware", "cpu", "cpu_capability", "python",
    "torch", "lightning", "lossatlas",
)  # fmt: skip
SIGN = {
    "higher": "▲ higher", "lower": "▼ lower", "equivalent": "= equivalent",
    "not resolved": "≈ not resolved",
}  # fmt: skip
HINT = {"higher": "△ higher but for Holm", "lower": "▽ lower but for Holm"}
IMPROPER = (
    "† Its card does not call it strictly proper: it may not aim at what is read as its "
    "probabilities here, the softmax of its scores or what its card's link makes of them. Under "
    "wrong labels or a long tail a strictly proper loss, too, aims at the training labels, not at "
    "the true and balanced ones of the test images."
)
# Fields that say in another form, or after temperature scaling, what others say of probabilities.
FORMS = ("test_ece_", *(f"test_{name}_ts" for name in ("nll", "brier", "ece", "aurc")))
BUSY = (
    "Seconds of training are those of runs on the kind of machine that made most runs of the "
    "baseline, which may have had other work beside; what a loss itself costs a step is in "
    "docs/speed.md of Loss Atlas."
)
COLUMNS = 6  # conditions side by side
LISTED = 8  # losses or scenarios of a setting that are named
LARGER = "the larger of its own and the one that all arms of the scenario suggest"
# Fields of rows beside the measures: what they stand for, as a measure is printed.
MORE = (
    Measure("test_ece_floor", "ECE floor", "points"),
    Measure("knn_accuracy_untrained", "kNN accuracy untrained", "points", True),
    Measure("probe_accuracy", "linear probe", "points", True),
)
PROBABILITIES = tuple(m for m in (*MEASURES.values(), *MORE) if not m.higher_is_better)

Tuned = Sequence[Mapping[str, Any]]  # tables of tuned rates, each of a recipe and scenario
Holders = tuple[set[str], set[str]]  # the scenarios and the losses of the runs that hold a value


def main_table(
    condition: Condition, results: Sequence[Result], families: Mapping[str, str]
) -> Table:
    """Every arm by what it is compared by, and its difference to the reference if there is one."""
    measure = condition.measure
    compared = any(one.differences for one in results)
    by_pairs = any(one.paired for one in results)
    by_fresh = any(one.fresh for one in results)
    plain, sign = partial(number, measure=measure), partial(signed, measure=measure)
    body = []
    for one in sorted(results, key=best_first(condition)):
        c, d, pairs = one.cell, one.difference, one.paired
        n = f"{c.n} ({one.diverged} diverged)" if one.diverged else str(c.n)
        row = [
            *_named(one.arm, families),
            value(plain(c.mean), c.mean),
            value(plain(c.sd), c.sd),
            value(_interval(c.low, c.high, plain), c.low),
            value(n, c.n),
        ]
        if compared and one.arm is condition.baseline:
            row += [value("–"), value("–"), value("the baseline"), value("–"), value("–")]
        elif compared:
            least = statistics.detectable(d)
            row += [
                value(sign(d.mean), d.mean),
                value(_interval(d.low, d.high, sign), d.low),
                value(concluded(one)),
                value(_p(one.p_holm), one.p_holm),
                value(plain(least), least),
            ]
        if by_pairs:
            text = "–"
            if pairs is not None:
                text = f"{_spanned(pairs, measure)} ({pairs.n})"
            row.append(value(text, pairs.mean if pairs else None))
        if by_fresh:
            fresh = one.fresh
            text = "–"
            if fresh is not None:
                known = fresh.low is not None
                text = f"{_spanned(fresh, measure) if known else sign(fresh.mean)} ({fresh.n})"
            row.append(value(text, fresh.mean if fresh else None))
        body.append(row)
    unit = f", {measure.unit}" if measure.unit else ""
    head = ["Loss", "family", _headed(measure), f"sd{unit}", "95 % t-interval", "n"]
    notes = ["Sorted by the mean; rows that the seeds cannot tell apart are not a ranking."]
    if compared:
        against = condition.baseline.label if condition.baseline else condition.judge.against
        head += [f"difference to {against}{unit}", "95 % interval", "conclusion", "p (Holm)"]
        head += [f"detectable{unit}"]
        if not condition.judge.untrained:
            told = arms.prior(condition)
            own = told is None or not told.df
            notes.append(
                "Differences by arms: Welch's t, each variance "
                + ("that of its own seeds" if own else LARGER)
                + ". Detectable: the true difference that this test at level 0.05, before Holm, "
                "finds in 80 % of such surveys."
            )
        if any(one.within and one.conclusion in ("higher", "lower") for one in results):
            notes.append("(=) A resolved difference of less than half a point.")
    head += ["by pairs [95 % interval] (pairs)"] * by_pairs
    head += ["newest seeds alone [95 % interval] (seeds)"] * by_fresh
    if by_fresh:
        notes.append(
            "Newest seeds: those made because the interval of the others reached the best three "
            "means. They are free of that choice, not of the choice of the loss that is called "
            "best, for which all seeds count."
        )
    caption = f"{capital(measure.name)}{measure.when}: {condition.title}"
    return table(caption, head, body, notes)


def measures_tables(
    condition: Condition,
    results: Sequence[Result],
    families: Mapping[str, str],
    improper: Sequence[str],
    tuned: Tuned,
) -> list[Table]:
    """Every other measure that any run has, and what the runs cost; then what calibration is in
    other forms, and after temperature scaling."""
    fields = [m for m in condition.judge.measures if m is not condition.measure]
    fields += [m for m in MORE if m.field not in (f.field for f in fields)]
    held = [m for m in fields if any(one.arm.cell(m.field).n for one in results)]
    ordered = sorted(results, key=best_first(condition))
    found = []
    for mine, name in ((False, "Other measures, and cost"), (True, "Calibration in other forms")):
        shown = [m for m in held if m.field.startswith(FORMS) is mine]
        if mine and not shown:
            continue
        body, marked = [], False
        for one in ordered:
            row = _named(one.arm, families)
            for m in shown:
                c = one.arm.cell(m.field)
                mark = " †" if c.n and m in PROBABILITIES and one.arm.loss in improper else ""
                spread = f" ± {number(c.sd, m)}" if c.sd is not None else ""
                row.append(value(number(c.mean, m) + spread + mark, c.mean))
                marked |= bool(mark)
            body.append(row if mine else row + _cost_cells(one.arm, condition, tuned))
        head = ["Loss", "family", *map(_headed, shown)]
        notes = ["Mean ± sd over seeds."]
        if any(m in PROBABILITIES for m in shown):
            notes[0] += " Of what describes probabilities, lower is better."
        if not mine:
            unit = next((costs(one.arm, condition)[1] for one in results), "s")
            head += [f"training, {unit}", "learning rate", "tuning runs"]
            notes.append(BUSY)
        found.append(table(f"{name}: {condition.title}", head, body, notes + [IMPROPER] * marked))
    return found


def costs(arm: Arm, condition: Condition) -> tuple[list[float], str]:
    """The seconds of training of an arm's whole runs on the usual kind of machine; and what these
    are: "CPU s" or "s"."""
    # Runs that share a processor wait for one another: there their own seconds count.
    alone = all(run.get("device") == "cpu" for one in condition.arms for run in one.runs)
    field, unit = ("cpu_s", "CPU s") if alone else ("train_s", "s")
    where = arms.usual_machine(condition)
    return [
        float(run[field])
        for run in arm.runs
        if machine(run) == where and run["state"] == "done" and run.get(field) is not None
    ], unit


def comparison_table(found: Found, a: str, b: str) -> Table | None:
    """Loss `a` minus loss `b` in every condition that has both; None where none has."""
    body = []
    for condition, _ in found:
        d, measure = arms.compare(condition, a, b), condition.measure
        if d is None:
            continue
        sign = partial(signed, measure=measure)
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


def beside_table(found: Found, families: Mapping[str, str]) -> Table | None:
    """Losses that two or more conditions have compared, a column a condition: what a gain in one
    costs in another. None without such losses, or with more conditions than a page has columns."""
    shown = [(c, results) for c, results in found if any(one.differences for one in results)]
    most = Counter(c.measure for c, _ in shown).most_common(1)
    shown = [(c, results) for c, results in shown if c.measure == most[0][0]]
    if not 2 <= len(shown) <= COLUMNS:
        return None
    held: dict[str, list[Result | None]] = {}
    for i, (_, results) in enumerate(shown):
        for one in results:
            if one.differences:
                held.setdefault(one.arm.label, [None] * len(shown))[i] = one
    several = {k: many for k, many in held.items() if sum(one is not None for one in many) > 1}
    measure, body = shown[0][0].measure, []
    for many in several.values():
        arm = next(one.arm for one in many if one is not None)
        body.append([*_named(arm, families), *(_beside(one, measure) for one in many)])
    alike = len({c.setting for c, _ in shown}) == len(shown)
    head = [f"{c.setting} (recipe {c.recipe})" if alike else c.title for c, _ in shown]
    unit = f", {measure.unit}" if measure.unit else ""
    notes = [
        "▲ higher, ▼ lower, △ and ▽ the same but for Holm's correction, = equivalent, ≈ not "
        "resolved; a dash: not measured there. Recipes differ as said under Settings that differ."
    ]
    title = f"Differences in {measure.name}{unit}, scenarios side by side"
    return table(title, ["Loss", "family", *head], body, notes) if body else None


def _beside(one: Result | None, measure: Measure) -> dict[str, Any]:
    """The cell of a loss in one of several conditions."""
    if one is None:
        return value("–")
    d = one.difference
    if d.low is None:
        return value(f"{signed(d.mean, measure)} ({one.conclusion})", d.mean)
    return value(f"{_spanned(d, measure)} {concluded(one)[0]}", d.mean)


def across_table(told: Across) -> Table:
    """Losses over several conditions."""
    m = told.measure
    sign = partial(signed, measure=m)
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
    head += [f"IQM of differences{unit}", "bootstrap interval"]
    notes = [
        "Of losses that are in all of them, by their means; a rank says nothing of how far two "
        "are apart. The interquartile mean (IQM) counts runs, not scenarios, and leaves out the "
        "highest and the lowest quarter of them. The interval holds 95 % of a bootstrap over "
        "scenarios and runs, from three scenarios on; few of either make it too short. It speaks "
        "of scenarios like these, not of all there are."
    ]
    where = "; ".join(condition.setting for condition in told.conditions)
    return table(f"{capital(m.name)} over {where}", head, body, notes)


def machines_table(told: Sequence[Between]) -> Table | None:
    """Arms that several kinds of machine have made; None if there are none."""
    body = []
    for one in told:
        m = one.condition.measure
        cells = [f"{number(c.mean, m)} (n={c.n}): {where}" for where, c in one.cells.items()]
        body.append(
            [
                value(f"{one.arm.label}, {one.condition.title}"),
                value("; ".join(cells)),
                value(str(one.runs), one.runs),
                value(number(one.sd, m), one.sd),
                value(number(one.apart, m), one.apart),
            ]
        )
    head = ["Loss", "mean of each", "runs that several made", "sd between machines within a run"]
    notes = [
        "Of shares the means are in %, the rest in points. Of a run that several machines have "
        "made, the row of the machine that has made most runs of the scenario counts in all other "
        "tables."
    ]
    name = "Losses that several kinds of machine have made"
    return table(name, [*head, "largest difference"], body, notes, words=True) if body else None


def checked_table(
    repeated: Sequence[Again], name: str, families: Mapping[str, str]
) -> Table | None:
    """Statements beside those of other runs, as far as these make them; None if none of them."""
    body = [
        [
            *_named(one.here.arm, families),
            value(one.outcome),
            *_stated(one.here, one.condition.measure),
            *_stated(one.there, one.condition.measure),
            value(one.condition.title),
        ]
        for one in repeated
        if one.there is not None
    ]
    if not body:
        return None
    head = [
        "Loss",
        "family",
        "outcome",
        "here [95 % interval]",
        "conclusion",
        "there",
        "conclusion there",
    ]
    notes = [
        "Holds: the intervals overlap and the conclusion is the same; turned over: neither; not "
        "confirmed: one of the two. A conclusion there is corrected over as many losses as one "
        "here. What the other runs do not have is left out."
    ]
    return table(f"Made again from {name}", [*head, "scenario"], body, notes)


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
        (*_place(row), row["loss"], float(row["lr"]))
        for row in filter(is_finished, runs)
        if row.get("lr_source") == "tuned" and {"loss", "lr"} <= set(row)
    }
    found = []
    for document in tuned:
        where = tuple(document[field] for field in PLACE)
        chosen = {
            loss: rate
            for loss, rate in document["chosen"].items()
            if (*where, loss, float(rate)) in used
        }
        if chosen:
            trials = [trial for trial in document["trials"] if trial["loss"] in chosen]
            found.append({**document, "trials": trials, "chosen": chosen})
    return found


def rates_table(document: Mapping[str, Any], families: Mapping[str, str]) -> Table:
    """The rate of each loss, its held-out score, and what it took to find it."""
    body = []
    for loss, rate in document["chosen"].items():
        trials = [trial for trial in document["trials"] if trial["loss"] == loss]
        full = [trial for trial in trials if trial["stage"] == "full"]
        score = next((t["score"] for t in full if t["lr"] == rate), None)
        seconds = sum(trial["cpu_s"] for trial in trials)
        body.append([
            {"text": loss, "loss": loss, "sort": None},
            value(families.get(loss, "–")),
            value(f"{rate:g}", rate),
            value(percent(score), score),
            value(f"{len(trials) - len(full)} + {len(full)}", len(trials)),
            value(f"{seconds:.0f}", seconds),
            value(document["said"].get(loss, "")),
        ])  # fmt: skip
    head = [
        "Loss",
        "family",
        "rate",
        "score, %",
        "trials, short + full",
        "CPU s",
        "said of the choice",
    ]
    return table(f"Learning rates: {document['scenario']}", head, body)


def settings_tables(runs: Iterable[Row]) -> tuple[Table | None, Table]:
    """What differs between the runs (None if nothing does) and what they share, computed from
    them."""
    runs = list(runs)
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
    differing: list[Any] = []
    equal = [[value("seeds"), value(", ".join(map(str, sorted(seeds))))]]
    everywhere = {str(row.get("scenario")) for row in runs if is_finished(row)}
    for field in [*named_here, *sorted(field for field in held if field.startswith("config."))]:
        if field in held:
            told, same = _told(held[field]), len(held[field]) == 1
            scenarios = set().union(*(scenarios for scenarios, _ in held[field].values()))
            if field not in ENVIRONMENT and scenarios < everywhere:  # others have no such setting
                told += f" ({', '.join(sorted(scenarios))})" * same
                same = False
            elif having[field] < rows:
                told += f" (of {having[field]} rows that tell)"
            cells = [value(field.removeprefix("config.")), value(told)]
            (equal if same else differing).append(cells)
    head = ["Setting", "value"]
    return (
        table("Settings that differ", head, differing, words=True) if differing else None,
        table("Settings that all runs share", head, equal, words=True),
    )


def losses_table(losses: Mapping[str, tuple[Card | None, str]]) -> Table:
    """The losses with their papers; what a card says stands on its own page."""
    body = []
    for name, (card, family) in losses.items():
        row = [{"text": name, "loss": name, "sort": None}, value(family)]
        if card is None:
            row += [value("–"), value("has no card in this installation")]
        else:
            paper = f"{card.paper.citation}: {card.paper.title}"
            row += [value(card.target), value(paper) | {"url": card.paper.url}]
        body.append(row)
    head = ["Loss", "family", "target", "paper"]
    return table("The losses of these runs", head, body, words=True)


def concluded(one: Result) -> str:
    """The conclusion as tables show it."""
    text = HINT.get(one.hint) or SIGN.get(one.conclusion, one.conclusion)
    return f"{text} (=)" if one.within and one.conclusion in ("higher", "lower") else text


def best_first(condition: Condition) -> Callable[[Result], tuple[float, str]]:
    """The key that sorts by the measure of the condition, the best first, the unmeasured last."""
    sign = condition.measure.sign

    def key(one: Result) -> tuple[float, str]:
        return (math.inf if one.cell.mean is None else -sign * one.cell.mean, one.arm.label)

    return key


PLACE = ("recipe", "scenario", "model", "data")  # of a table of rates


def _named(arm: Arm, families: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"text": arm.label, "loss": arm.loss, "sort": None}, value(families[arm.loss])]


def _headed(m: Measure) -> str:
    unit = "%" if m.unit == "points" else m.unit
    return f"{m.name}, {unit}" if unit else m.name


def _cost_cells(arm: Arm, condition: Condition, tuned: Tuned) -> list[dict[str, Any]]:
    seconds = statistics.cell(costs(arm, condition)[0]).mean
    rates = ", ".join(f"{lr:g}" for lr in sorted(set(arm.by_seed("lr").values())))
    sources = ", ".join(sorted({str(run["lr_source"]) for run in arm.runs if "lr_source" in run}))
    tried = sum(
        trial["loss"] == arm.loss
        for document in tuned
        if tuple(document[field] for field in PLACE) in {_place(run) for run in arm.runs}
        for trial in document["trials"]
    )
    return [
        value("–" if seconds is None else f"{seconds:.0f}", seconds),
        value((f"{rates} ({sources})" if sources else rates) or "–"),
        value(str(tried) if tried else "–", tried or None),
    ]


def _place(row: Row) -> tuple[str, ...]:
    """What a rate of a run belongs to, as its table says it."""
    parameters = {k[9:]: v for k, v in row.items() if k.startswith("scenario.") and v == v}
    return (
        str(row.get("recipe")),
        scenario_key(str(row.get("scenario")), parameters),
        str(row.get("model")),
        str(row.get("data")),
    )


def _told(held: Mapping[str, Holders]) -> str:
    distinct = sorted(held)
    for group in (0, 1) if len(distinct) > 1 else ():
        names = {text: held[text][group] for text in distinct}
        if sum(map(len, names.values())) == len(set().union(*names.values())):
            *few, most = sorted(distinct, key=lambda text: len(names[text]))
            told = {text: ", ".join(sorted(names[text])) for text in distinct}
            if len(names[most]) > LISTED:
                told[most] = f"the other {len(names[most])} {('scenarios', 'losses')[group]}"
                distinct = [*sorted(few), most]
            return "; ".join(f"{text} ({told[text]})" for text in distinct)
    return "; ".join(distinct)


def _interval(low: float | None, high: float | None, form: Callable[[float], str]) -> str:
    return "–" if low is None or high is None else f"[{form(low)}, {form(high)}]"


def _stated(one: Result | None, measure: Measure) -> list[dict[str, Any]]:
    """The cells of a difference and of what is concluded from it."""
    if one is None:
        return [value("–"), value("–")]
    d = one.difference
    return [value(f"{_spanned(d, measure)} (n={d.n})", d.mean), value(concluded(one))]


def _spanned(d: statistics.Difference, measure: Measure) -> str:
    """A difference with its interval."""
    return f"{signed(d.mean, measure)} {_interval(d.low, d.high, partial(signed, measure=measure))}"


def _p(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}"


def _plain(v: Any) -> str:
    return f"{v:.12g}" if isinstance(v, float) else str(v)
