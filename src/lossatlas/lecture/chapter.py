"""The lecture as a chapter: every statement with its check, the worked examples, the errata."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lossatlas.lecture import (
    SECTIONS,
    Outcome,
    Section,
    Statement,
    decide,
    errata,
    figures,
    label_sets,
)
from lossatlas.lecture.sample import values
from lossatlas.losses import quantities, registry
from lossatlas.losses.examples import run_examples
from lossatlas.pages import render, whole
from lossatlas.pages.publish import publish
from lossatlas.pages.tables import Table, examples_table, table, value
from lossatlas.threads import one_thread

READING = r"""
$K$ is the number of classes, $s$ the vector of their scores, $y$ the label (counted from 0; the
notes count from 1), $p=\text{softmax}(s)$, and $m(s,y)=s_y-\max_{j\neq y}s_j$ the margin. A set of
right answers is $S$ (in the notes $K^{+}$). By $s+c$ we mean that the number $c$ is added to every
score. $\mathbf{1}[\ldots]$ is 1 if the condition holds, else 0. Logarithms are natural.

Every relation is compared at many points in double precision: random scores of seven sizes, ties of
two or more classes, and margins from −40 to 40, for 2, 3 and 10 classes. The losses are those of
the atlas. The largest violation says how far the relation is off at the worst point, divided by the
size of the numbers that were added up, or by 1 if they are smaller. Around 1e−16 it is rounding; a
negative one means that the two sides never met. Where a bound can be attained, the points that
attain it have a row of their own.

Such a check is not a proof. It can refute a statement and catch a slip of the pen or of the code;
why the statement is true stands in the words above its table.
""".strip()


class Chapter(NamedTuple):
    """The page that was written, and what failed on it: one line each."""

    page: Path
    failures: list[str]


def build(out: Path) -> Chapter:
    """Check all statements and write REPORT.md, index.html and figures/*.svg into `out`.

    The files depend on nothing but the package, its cards and the arithmetic of the machine: a
    second build gives the same bytes. A check that fails is shown as such and does not stop it.

    Raises:
        UserError: `out` cannot be written or holds pages that are not a lecture's.
    """
    with one_thread():
        content = assemble(SECTIONS)
    named = {name for section in SECTIONS for name in section.cards}
    content["cards"] = {name for name in named if (out.parent / f"cards/{name}.html").is_file()}
    content["beside"] = whole.beside(out, "lecture")
    files = {
        f"figures/{picture.file}": picture.svg
        for section in content["sections"]
        for picture in section["pictures"]
    }
    files["REPORT.md"] = render.markdown(content, "lecture")
    files["index.html"] = render.in_browser(content, "lecture", files)
    publish(files, out, "lecture")
    return Chapter(out / "index.html", content["failures"])


def assemble(chapter: tuple[Section, ...]) -> dict[str, Any]:
    """Everything that the pages say, as plain data."""
    decided = {one.id: decide(one) for section in chapter for one in section.statements}
    pictures = figures.pictures()
    cards = {name: registry.get_card(name) for section in chapter for name in section.cards}
    slips = [slip for card in cards.values() for slip in errata.of_card(card)]
    slips.sort(key=lambda slip: isinstance(slip, errata.WrongClaim))  # numbers first
    failures = [
        f"{one.title}: {outcome.says}"
        for section in chapter
        for one in section.statements
        for outcome in decided[one.id]
        if not outcome.holds
    ]
    examples = [(name, e) for name, card in cards.items() for e in run_examples(card)]
    failures += [f"worked example of {card}: {e.says}" for card, e in examples if not e.passed]
    failures += [f"erratum of {slip.card}" for slip in slips if not slip.confirmed]
    outcomes = [outcome for found in decided.values() for outcome in found]
    return {
        "reading": READING,
        "sections": [
            {
                "section": section,
                "statements": [_shown(one, decided[one.id]) for one in section.statements],
                "pictures": [p for where, p in pictures if where == section.id],
                "examples": [t for c in section.cards if (t := examples_table(cards[c]))],
                "compared": _dog_or_cat() if "set_margin_hinge" in section.cards else None,
            }
            for section in chapter
        ],
        "errata": [_erratum(slip) for slip in slips],
        "failures": failures,
        "counts": {
            "statements": len(decided),
            "relations": len(outcomes),
            "comparisons": sum(outcome.n for outcome in outcomes),
            "examples": len(examples),
        },
    }


def _dog_or_cat() -> Table:
    """The scores whose set margin the card works out, under each way to read an ambiguous label."""
    body = []
    for example in registry.get_card("set_margin_hinge").examples:
        if example.quantity != "margin" or not isinstance(example.target, list):
            continue
        scores = torch.tensor([example.logits], dtype=torch.float64)
        inside = torch.tensor([[k in example.target for k in range(scores.shape[1])]])
        numbers = [
            quantities.margin(scores, inside),
            values("set_margin_hinge", scores, inside),
            label_sets.set_loss(scores, inside),
            values("soft_target_kl", scores, label_sets.uniform(inside)),
            quantities.softmax(scores)[:, 0],
        ]
        texts = [f"({', '.join(f'{s:g}' for s in example.logits or [])})"]
        texts += [_number(number.item()).replace("-", "−") for number in numbers]
        body.append([value(text) for text in texts])
    head = [
        "Scores (dog, cat, other, other)", "margin of the set", "its hinge", "log loss of the set",
        "KL to (½, ½, 0, 0)", "p of dog",
    ]  # fmt: skip
    return table("Dog and cat are both right: who is content?", head, body)


def _shown(one: Statement, outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "statement": one,
        "holds": all(outcome.holds for outcome in outcomes),
        "rows": [
            {
                "says": outcome.says,
                "n": f"{outcome.n:,}",
                "worst": _small(outcome.worst),
                "tolerance": _small(outcome.tolerance),
                "holds": outcome.holds,
            }
            for outcome in outcomes
        ],
    }


def _erratum(slip: errata.WrongNumber | errata.WrongClaim) -> dict[str, Any]:
    where = {"card": registry.get_card(slip.card).name, "confirmed": slip.confirmed}
    if isinstance(slip, errata.WrongClaim):
        return where | {"says": _sentence(slip.says), "numbers": None, "why": _refuted(slip)}
    numbers = {"printed": _number(slip.printed), "right": _number(slip.example.measured)}
    return where | {
        "says": _sentence(slip.example.says),
        "numbers": numbers,
        "why": _excluded(slip),
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _refuted(slip: errata.WrongClaim) -> str:
    if slip.settled is None:
        return "No statement of this chapter decides it."
    return (
        f"Not so: {slip.note}. Compared at {slip.settled.n:,} points, with shifts up to 1,000: the "
        f"largest difference is {_small(slip.settled.worst)} of the size of the numbers."
    )


def _excluded(slip: errata.WrongNumber) -> str:
    if slip.bound is None or not slip.ruled_out:
        return "The example was computed again."
    bound = slip.bound
    low, high = _number(bound.low), _number(bound.high)
    allowed = f"at least {low}" if bound.high == math.inf else f"{low} to {high}"
    return f"“{bound.by.title}” allows {allowed} here, which already rules the printed number out."


def _number(value: float | list[float]) -> str:
    return ", ".join(f"{v:.4g}" for v in (value if isinstance(value, list) else [value]))


def _small(value: float) -> str:
    """Two digits of a rounding error, with a real minus: 2.2e−16."""
    return f"{value:.2g}".replace("-", "−")
