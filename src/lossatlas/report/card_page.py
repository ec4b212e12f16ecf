"""One loss on one page: its card, its curves, the verdicts on its mathematics, its results."""

import inspect
import itertools
import os
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lossatlas import catalogue, results
from lossatlas.analysis import arms, measures
from lossatlas.analysis.arms import Condition, Found, Result
from lossatlas.analysis.judges import judge_of
from lossatlas.cards import Card, Paper
from lossatlas.drawing import Picture
from lossatlas.losses import examples, kinds, registry
from lossatlas.pages import escape
from lossatlas.pages.tables import Table, table, value
from lossatlas.report import card_figures, evidence, phrases, usage
from lossatlas.report.advice import HOLDS, advice
from lossatlas.report.build import table_of_results
from lossatlas.report.phrases import percent, points
from lossatlas.results import store
from lossatlas.theory import curves, records, wording
from lossatlas.theory.checks import CHECKS
from lossatlas.theory.subject import CLASSES, Subject, examine_anywhere
from lossatlas.theory.verdict import Witness
from lossatlas.theory.witness_code import python

GLYPHS = {
    "proved": "●", "refuted": "✗", "evidence_against": "⊘", "not_refuted": "○",
    "inconclusive": "?", "not_applicable": "–",
}  # fmt: skip
NOT = "not_applicable"
LEGEND = (
    "● proved: a theorem or certificate about the formula, with which the code agreed wherever it "
    "was compared. ✗ refuted: a counterexample, confirmed at 50 digits. ⊘ evidence against: values "
    "speak against it, as endless growth does against a bound, but no finite set of them refutes "
    "it. ○ not refuted: searched for and not found, which is evidence, not proof. ? inconclusive. "
    "– not applicable."
)
TARGETS = {
    "class_index": "one class", "distribution": "probabilities of the classes (soft labels)",
    "label_set": "a set of classes that are all right", "complementary": "a class that is wrong",
    "two_view": "none; two views of each sample", "two_view_labelled": "a class, and two views",
    "labelled_embedding": "a class for each embedding",
}  # fmt: skip
LINKS = {
    "softmax": "softmax of the scores", "sigmoid": "sigmoid of each score",
    "identity": "the scores themselves", "fenchel_young": "e_y + gradient (Fenchel-Young)",
    "own": "a map of its own, in the code", "none": "none: scores are ranked only",
}  # fmt: skip
BOUNDS = (
    "bounded", "nonnegative", "dominates_zero_one", "lipschitz", "smooth", "decreasing_in_score",
)  # fmt: skip
PLACES = ("label", "target")  # where a constant was found
NAMES = {
    "zero_one": "0-1 loss", "hinge": "hinge", "logistic": "logistic loss",
    "exponential": "exponential loss",
}  # fmt: skip
THEORY = r"""
If a loss depends on the label's probability alone, $\ell=\varphi(p_y)$, then
$\nabla_s\ell=\varphi'(p_y)\,p_y\,(e_y-p)$, which is $w(p_y)$ times the gradient of cross-entropy,
with $w(p)=-p\,\varphi'(p)$. Where the risk $\sum_k q_k\,\ell(s,k)$ is least, and not at infinity,
its gradient vanishes: $q_i\propto p_i/w(p_i)$. So $w=1$ gives $p=q$; $w=p^r$ (generalised
cross-entropy) gives $p\propto q^{1/(1-r)}$; $w=2p$ (mean absolute error) leaves no such minimiser,
and the risk is least at a corner. Where $p/w(p)$ increases, likelier classes keep higher scores.
""".strip()
KINDS = {
    True: "This loss is of that kind, as far as the check `probability_only` can tell.",
    False: "This loss is not of that kind (`probability_only` is refuted): the curve is a cut "
    "through its gradients, along scores where the rivals tie.",
    None: "Whether this loss is of that kind is open: the curve is a cut through its gradients, "
    "along scores where the rivals tie.",
}


class Experiments(NamedTuple):
    """Conditions with their results, the file or folder that they were read from, its address
    where a page can link to it, and whether it is the run store."""

    found: Found
    source: str
    address: str | None = None
    own: bool = False


def experiments(reports: Sequence[Path], out: Path) -> list[Experiments]:
    """The results of reports, `results.csv`, the newest first; and those of the run store besides.

    Pages in the folder `out` link to a table if it stands beside that folder.

    Raises:
        UserError: a table is no table of results.
    """
    read = [(path, table_of_results(path)) for path in reports]
    read.sort(key=lambda one: (-max((row.get("started", 0) for row in one[1]), default=0), one[0]))
    sources = [(path.as_posix(), rows) for path, rows in read]
    known = {row.get("run_id") for _, rows in sources for row in rows}
    own = [row for row in arms.rows(results.load()) if row.get("run_id") not in known]
    folder = store.runs_dir()
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    sources.append((f"the run store {folder.as_posix()}", own))
    order = list(registry.index())
    addresses = {
        path.as_posix(): Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
        for path in reports
        if path.resolve().is_relative_to(out.parent.resolve())
    }
    return [
        Experiments(
            [(c, arms.results(c)) for c in arms.conditions(rows, order) if not c.trial],
            source,
            addresses.get(source),
            own=i == len(read),
        )  # trials are no findings
        for i, (source, rows) in enumerate(sources)
    ]


@registry.blamed()
def assemble(name: str, measured: Sequence[Experiments]) -> dict[str, Any]:
    """Everything that the page of a loss says.

    Raises:
        UserError: there is no such loss, or it has no card.
    """
    entry, card = registry.find(name), registry.get_card(name)
    found = {record["property"]: record for record in records.check(name)}
    subject = examine_anywhere(name)
    colour = card_figures.family_colours()[card.family]
    pictures, missing = _figures(subject, colour, found)
    only = found["probability_only"]["verdict"] if "probability_only" in found else None
    return {
        "card": card,
        "status": registry.status(entry),
        "links": _links(card.paper),
        "legend": LEGEND,
        "facts": _facts(card, subject),
        "against": [
            _against(card, record) for record in found.values() if record["agrees"] is False
        ],
        "python": usage.python(card),
        "command": usage.command(card),
        "faults": examples.faults(name),
        "in_code": _defaults_in_code(card),
        "misprints": _misprints(card, found),
        "limits": _limits(card, found.get("special_cases")),
        "pictures": pictures,
        "missing": missing,
        "theory": THEORY,
        "kind": KINDS[True if only in HOLDS else False if only == "refuted" else None],
        "properties": [_row(name, card, r) for r in found.values() if r["verdict"] != NOT],
        "not_applicable": _by_reason(found.values()),
        "bounds": _bounds(subject, found),
        "advice": {
            kind: [(says, ground, wording.SYMBOLS.get(word, word)) for says, ground, word in told]
            for kind, told in advice(card, found).items()
        },
        **_experiments(card, colour, measured),
        "bibtex": bibtex(card.paper),
        "digest": registry.digest(entry),
        "source": records.source_digest(name),
        "todo": card.todo,
    }


def bibtex(paper: Paper) -> str:
    """A BibTeX entry from what the card knows of the paper, under author, year and a word."""
    key = f"{_ascii(paper.authors[0].split()[-1])}{paper.year}{_ascii(_first_word(paper.title))}"
    return catalogue.entry(paper, key)


def _figures(
    subject: Subject, colour: str, found: Mapping[str, Any]
) -> tuple[list[Picture], list[card_figures.Missing]]:
    if subject.on_embeddings:
        why = "it is a loss of embeddings"
    elif kinds.KINDS[subject.target].names == "wrong":
        why = "its target does not say which class is right"
    elif not subject.of_samples:
        why = "its value is no function of one sample's scores of the classes"
    elif subject.k != CLASSES and (fault := subject.fault(2)):
        why = f"fails for two classes: {fault}"
    else:
        return card_figures.pictures(subject, colour, found)
    return [], [card_figures.Missing("curves over scores", why)]


def _links(paper: Paper) -> list[tuple[str, str]]:
    """Where the paper and its code are; only addresses of the web become links."""
    places = (("paper", paper.url), ("code", paper.code))
    return [(label, url) for label, url in places if url and re.match(r"https?://[^<>\s]+$", url)]


def _facts(card: Card, subject: Subject) -> list[tuple[str, str]]:
    """Which (x, y), and what comes out: a term and its description each."""
    embeds = subject.on_embeddings
    batch = embeds or (subject.loss is not None and subject.loss.per == "batch")
    scores = "K + 1" if "extra_output" in card.requires else "K"
    facts = [
        ("y", TARGETS[card.target]),
        ("model's output", "embeddings" if embeds else f"{scores} scores (logits), K ≥ 2"),
        ("value", "of a whole batch" if batch else "of each sample"),
        ("needs besides", ", ".join(need.replace("_", " ") for need in card.requires) or "nothing"),
    ]
    if card.gradient:
        facts.append(("held fixed in the gradient", card.gradient))
    if not embeds:
        facts.insert(2, ("its probabilities", LINKS[card.link]))
        rule = "probability over prior" if card.bayes_rule == "balanced" else "probability"
        facts.append(("right decision", f"the class of largest {rule}"))
    return facts


def _against(card: Card, record: Mapping[str, Any]) -> dict[str, str]:
    claim = card.properties.get(record["property"])
    return {
        "property": words(record["property"]),
        "says": f"{'it holds' if record['declared'] else 'it does not hold'}"
        + (f" ({claim.note})" if claim and claim.note else ""),
        "shows": f"{wording.SYMBOLS[record['verdict']]}: {evidence.sentence(record)}.",
    }


def _misprints(card: Card, found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Claims that a source prints wrongly, beside what the code shows."""
    return [
        {
            "property": words(prop),
            "says": claim.printed,
            "shows": wording.SYMBOLS[found[prop]["verdict"]],
        }
        for prop, claim in card.properties.items()
        if claim.printed is not None and prop in found
    ]


def _limits(card: Card, record: Mapping[str, Any] | None) -> list[Any]:
    """Special cases with the residuals that the check `special_cases` measured, in order."""
    cases = record["found"].get("cases", []) if record else []
    residuals = [case["residual"] for case in cases]
    if len(residuals) != len(card.limits):
        residuals = [None] * len(card.limits)
    refuted = record is not None and record["agrees"] is False
    return [
        {
            "equals": limit.equals,
            "when": _setting(limit.when),
            "there": _setting(limit.and_there),
            "note": limit.note,
            "tolerance": f"{limit.tolerance:g}",
            "residual": None if residual is None else f"{float(residual):.1e}",
            "fails": refuted and residual is not None and not float(residual) <= limit.tolerance,
        }
        for limit, residual in zip(card.limits, residuals, strict=True)
    ]


def _defaults_in_code(card: Card) -> dict[str, Any]:
    """The constructor's default of each hyperparameter for which the card states another."""
    stated = {name: h.default for name, h in card.hyperparameters.items()}
    code = inspect.signature(registry.get_class(card.id)).parameters
    return {
        name: code[name].default if name in code else "no such argument"
        for name, default in stated.items()
        if name not in code or code[name].default != default
    }


def _setting(values: Mapping[str, float]) -> str:
    return ", ".join(f"{key} = {value:g}" for key, value in values.items())


def _row(name: str, card: Card, record: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the table of properties."""
    prop = record["property"]
    claim = card.properties.get(prop)
    witness = record["witness"]
    return {
        "id": prop,
        "property": words(prop),
        "statement": CHECKS[prop].statement,
        "verdict": record["verdict"],
        "glyph": GLYPHS[record["verdict"]],
        "says": _says(record),
        "note": claim.note if claim else None,
        "evidence": wording.evidence(dict(record), None),
        "method": record["method"],
        "reference": record["reference"],
        "witness": python(name, Witness.read(witness)) if witness else None,
    }


def _says(record: Mapping[str, Any]) -> str:
    """A verdict, beside what the card says, and what it rests on."""
    card = ""
    if record["agrees"] is not None:
        card = ", as the card says" if record["agrees"] else "; the card says otherwise"
    elif record["declared"] == "unknown":
        card = "; the card leaves it open"
    elif record["declared"] is not None:
        card = f"; the card says it {'holds' if record['declared'] else 'does not hold'}"
    return f"{wording.SYMBOLS[record['verdict']]}{card}: {evidence.sentence(record)}."


def _by_reason(found: Collection[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for record in found:
        if record["verdict"] == NOT:
            grouped.setdefault(record["reason"], []).append(words(record["property"]))
    return list(grouped.items())


def _bounds(subject: Subject, found: Mapping[str, Any]) -> Table | None:
    """Constants that the checks found, and the loss at equal scores."""
    body = []
    right = kinds.KINDS[subject.target].names == "right"
    if right and not subject.on_embeddings and subject.of_samples:
        margins = curves.margins(subject, [0.0])
        ties = ", ".join(f"{values.iloc[0]:.4g} for {k}" for k, values in margins.items())
        body.append(["at equal scores", ties, "computed"])
    for prop in BOUNDS:
        if prop in found and found[prop]["verdict"] != NOT:
            told = _constants(found[prop]["found"])
            body.append([words(prop), told, wording.SYMBOLS[found[prop]["verdict"]]])
    rows = [[value(text) for text in row] for row in body if row[1]]
    if not rows:
        return None
    return table("Bounds and constants", ["What", "numbers", "verdict"], rows, words=True)


def _constants(found: Mapping[str, Any]) -> str:
    """Single numbers, words and the names of curves that lie below, of what a check found."""
    told = [
        f"{words(key)} {value + 0.0:.4g}"
        if not isinstance(value, str)
        else f"{words(key)}: {value}"
        for key, value in found.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
        if key not in PLACES and value != "nan"
    ]
    for name, (low, high) in found.get("above", {}).items():
        told.append(f"minus {NAMES[name]}: {low:.3g} to {high:.3g}")
    if found.get("far_out"):
        told.append("approached where scores grow without end")
    return "; ".join(told)


def _experiments(card: Card, colour: str, measured: Sequence[Experiments]) -> dict[str, Any]:
    """A table for each source that has runs of the loss; the picture is of the first."""
    judge = judge_of(card.target)
    against = judge.against or "cross-entropy"
    head = [
        "Scenario",
        f"{judge.measure.name}, % (± sd)",
        f"points above {against} [95 % interval]",
    ]
    head += ["seeds", "after Holm", *(["ECE, %"] if measures.find("ece") in judge.measures else [])]
    shown, strips, measurements = [], [], []
    # Of what several reports have, the one of most seeds is told, of as many the newest.
    told: dict[tuple[str, str], Result] = {}
    ours = [
        [(c, r) for c, found in one.found for r in found
         if r.arm.loss == card.id and r.cell.mean is not None]
        for one in measured
    ]  # fmt: skip
    published = (many for one, many in zip(measured, ours, strict=True) if not one.own)
    for c, r in itertools.chain(*published):
        if (key := (c.title, r.arm.label)) not in told or r.cell.n > told[key].cell.n:
            told[key] = r
    for one, many in zip(measured, ours, strict=True):
        mine = [(c, r) for c, r in many if one.own or told[c.title, r.arm.label] is r]
        if mine:
            body = [[value(t) for t in _measured(c, r)[: len(head)]] for c, r in mine]
            source = escape.plain(one.source)
            from_ = f"[{source}](<{one.address}>)" if one.address else source
            notes = [f"From {from_}; compared by arms, Holm-corrected in each scenario."]
            shown.append(table(f"Last epoch: {judge.measure.name}", head, body, notes))
            strips.append([(_where(r, c.setting), r.difference) for c, r in mine])
        measurements += [(c, r, one.source) for c, r in mine]
    axis = f"points above {against}"
    return {
        "experiments": shown,
        "looked": " and ".join(one.source for one in measured),
        "strip": card_figures.strip(card.id, colour, strips[0] if strips else [], axis),
        "told": [line for c, r, source in measurements if (line := _told(c, r, source, against))],
    }


def _where(one: Result, name: str) -> str:
    return name + (f", {one.arm.label}" if one.arm.label != one.arm.loss else "")


def _measured(condition: Condition, one: Result) -> tuple[str, ...]:
    """The cells of a row: scenario with recipe and data, accuracy, difference, seeds, verdict, and
    the calibration of classifiers."""
    d, ece = one.difference, one.arm.cell("test_ece").mean
    floor = one.arm.cell("test_ece_floor").mean
    span = "" if d.low is None or d.high is None else f" [{points(d.low)}, {points(d.high)}]"
    spread = "" if one.cell.sd is None else f" ± {percent(one.cell.sd)}"
    return (
        _where(one, condition.title),
        f"{percent(one.cell.mean)}{spread}",
        "the baseline" if one.arm is condition.baseline else points(d.mean) + span,
        str(one.cell.n),
        "–" if one.arm is condition.baseline else phrases.shown(one, condition.measure),
        "–" if ece is None else f"{percent(ece)} (floor {percent(floor)})",
    )


def _told(condition: Condition, one: Result, source: str, against: str) -> str | None:
    """A sentence on a difference that the seeds resolve; None for all others."""
    if one.conclusion not in ("higher", "lower") or one.difference.mean is None:
        return None
    return (
        f"{_where(one, condition.title)}: {one.conclusion} than {against} by "
        f"{points(abs(one.difference.mean))} points, {one.cell.n} seeds ({source})"
    )


def words(prop: str) -> str:
    """An id as it is read: `shift_invariant` is "shift invariant"."""
    return prop.replace("_", " ")


def _first_word(title: str) -> str:
    words = [re.sub(r"\W", "", word) for word in title.split()]
    return next((word for word in words if len(word) > 3), "".join(words[:1])).lower()


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]", "", plain).lower()
