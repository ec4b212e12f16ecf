"""Tables of strings as templates print them, and the one of a card's worked examples.

A table is a dict: caption, head, rows of cells, notes, and `words` where text is to wrap.
"""

from collections.abc import Sequence
from typing import Any

from lossatlas.cards import Card

Table = dict[str, Any]


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Any],
    notes: Sequence[str] = (),
    words: bool = False,
) -> Table:
    """What the templates print; the first cell of a row is its heading."""
    return {"caption": caption, "head": head, "rows": rows, "notes": notes, "words": words}


def value(text: str, sort: float | None = None) -> dict[str, Any]:
    """A table's cell: what is printed, and the number it is sorted by."""
    return {"text": str(text), "sort": sort}


def examples_table(card: Card) -> Table | None:
    """The worked examples of a card, run now; None if it has none."""
    from lossatlas.losses.examples import run_examples  # torch, which tables do without

    body = []
    for outcome in run_examples(card):
        check = "✓\u00a0agrees" if outcome.passed else "✗\u00a0disagrees"
        numbers = [_number(v) for v in (outcome.expected, outcome.printed, outcome.measured)]
        texts = [outcome.says, outcome.source, *numbers, check]
        body.append([value(text) for text in texts])
    head = ["Example", "source", "expected", "printed otherwise", "measured", "check"]
    return table(f"Worked examples of {card.name}", head, body, words=True) if body else None


def _number(v: float | list[Any] | None) -> str:
    if isinstance(v, list):
        return ", ".join(_number(entry) for entry in v)
    return "–" if v is None else f"{v:.6g}".replace("-", "−")
