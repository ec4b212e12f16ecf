"""The book of cards: a page a loss, and an index with every verdict and the map of the losses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossatlas.cards import Card
from lossatlas.drawing import Picture
from lossatlas.errors import UserError
from lossatlas.losses import examples, registry
from lossatlas.losses.kinds import KINDS
from lossatlas.pages import render
from lossatlas.pages.publish import Text, move_in
from lossatlas.report import card_figures, card_page, identities
from lossatlas.report.atlas_figure import atlas
from lossatlas.report.card_page import GLYPHS, LEGEND, NOT, words
from lossatlas.theory import records, wording
from lossatlas.theory.atlas_map import atlas_map
from lossatlas.theory.checks import CHECKS
from lossatlas.threads import one_thread

COMMAND = "card"
INDEX = ("index.html", "README.md", identities.PAGE)
PANELS = ("weight", "margin", "field", "link", "psi", "strip")


def build(names: Sequence[str] | None, out: Path, results: Path) -> list[Path]:
    """Write `<id>.html`, `<id>.md` and figures/*.svg of losses into `out`; of all, with an index.

    The files depend on nothing but cards, code, stored verdicts (made where they are missing), the
    table `results`, if there is such a file, and the run store: a second build gives the same
    bytes. Pages link to each other's pages that are there or are being written.

    Args:
        names: ids of losses; None means all that have a card, and the index.
        out: the folder of the render.
        results: a report's results.csv.

    Returns:
        The HTML pages; the index alone for the book.

    Raises:
        UserError: a loss is unknown or has no card, or `out` cannot be written or holds a page of
            the same name that this command did not make.
    """
    every = registry.list_losses()
    chosen = [name for name in every if registry.has_card(name)] if names is None else list(names)
    failed: dict[str, UserError] = {}  # in a book one loss does not stop the others
    for name in chosen:
        try:
            registry.get_card(name)
        except UserError as error:
            failed[name] = error
    _raise_unless_a_book(names, failed)
    html = [f"{name}.html" for name in chosen] if names is not None else ["index.html"]
    _refuse_strangers([*INDEX, *_pages_of(chosen)] if names is None else _pages_of(chosen), out)
    linked = {name for name in (*every, "index") if (out / f"{name}.html").is_file()}
    linked |= {*chosen, "index"} if names is None else set(chosen)
    files: dict[str, Text] = {}
    with one_thread():
        measured = card_page.experiments(results)
        for name in (name for name in chosen if name not in failed):
            try:
                content = card_page.assemble(name, measured, linked)
            except UserError as error:
                failed[name] = error
                continue
            files |= _rendered(name, content, "card", _pictures(content))
        _raise_unless_a_book(names, failed)
        if names is None:
            without = [name for name in every if name not in chosen]
            content = index([name for name in chosen if name not in failed], without)
            content["failed"] = [f"{name} ({error})" for name, error in failed.items()]
            files |= _rendered("index", content, "book", [content["map"]])
            files["README.md"] = files.pop("index.md")
            files |= identities.page([name for name in chosen if name not in failed], COMMAND)
    _publish(files, out, chosen)
    return [out / name for name in html]


def _raise_unless_a_book(names: Sequence[str] | None, failed: Mapping[str, UserError]) -> None:
    if names is not None and failed:
        raise next(iter(failed.values()))


def index(chosen: Sequence[str], without: Sequence[str]) -> dict[str, Any]:
    """What the index says: the map, and a table of verdicts for each kind of loss.

    Args:
        chosen: ids of the losses with a page.
        without: ids of those without a card.
    """
    found = {name: {r["property"]: r for r in records.check(name)} for name in chosen}
    cards = {name: registry.get_card(name) for name in chosen}
    titles = {"logits": "Losses of scores", "embeddings": "Losses of embeddings"}
    kinds = [
        (title, [name for name in chosen if KINDS[cards[name].target].inputs == inputs])
        for inputs, title in titles.items()
    ]
    against = [line for name in chosen for line in wording.contradictions([*found[name].values()])]
    against += [f"{name}: {fault}" for name in chosen for fault in examples.faults(name)]
    return {
        "count": len(chosen),
        "legend": LEGEND,
        "map": _map(chosen),
        "tables": [_matrix(title, mine, cards, found) for title, mine in kinds if mine],
        "without": without,
        "against": against,
        "counts": {
            wording.SYMBOLS[verdict]: sum(
                record["verdict"] == verdict for of in found.values() for record in of.values()
            )
            for verdict in GLYPHS
        },
    }


def _matrix(
    title: str, names: Sequence[str], cards: Mapping[str, Card], found: Mapping[str, Any]
) -> dict[str, Any]:
    """Losses by properties, grouped by family; columns without any verdict are left out."""
    props = [
        prop
        for prop in CHECKS
        if any(found[n].get(prop, {}).get("verdict", NOT) != NOT for n in names)
    ]
    colours = card_figures.family_colours()
    families: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        cells = [_cell(prop, found[name].get(prop)) for prop in props]
        families.setdefault(cards[name].family, []).append(
            {"id": name, "name": cards[name].name, "cells": cells}
        )
    return {
        "title": title,
        "props": [(words(prop), CHECKS[prop].statement) for prop in props],
        "families": [
            {"name": words(family), "colour": colours[family], "rows": rows}
            for family, rows in families.items()
        ],
    }


def _cell(prop: str, record: Mapping[str, Any] | None) -> dict[str, Any]:
    if record is None:
        return {"verdict": NOT, "glyph": "", "title": f"{prop}: not checked", "against": False}
    against = record["agrees"] is False
    word = wording.SYMBOLS[record["verdict"]]
    said = "; the card says otherwise" if against else ""
    return {
        "verdict": record["verdict"],
        "glyph": GLYPHS[record["verdict"]] + ("!" if against else ""),
        "title": f"{prop.replace('_', ' ')}: {word}{said}",
        "against": against,
        "anchor": None if record["verdict"] == NOT else f"property-{prop}",
    }


def _map(chosen: Sequence[str]) -> Picture | None:
    table = atlas_map(chosen)
    return atlas(table) if len(table) > 2 else None


def _rendered(
    name: str, content: dict[str, Any], page: str, pictures: Sequence[Picture | None]
) -> dict[str, Text]:
    files: dict[str, Text] = {f"figures/{one.file}": one.svg for one in pictures if one}
    files[f"{name}.html"] = render.html(content, COMMAND, page)
    files[f"{name}.md"] = render.markdown(content, COMMAND, page)
    return files


def _pictures(content: Mapping[str, Any]) -> list[Picture | None]:
    return [*content["pictures"], content["strip"]]


def _pages_of(names: Sequence[str]) -> list[str]:
    return [f"{name}.{kind}" for name in names for kind in ("html", "md")]


def _refuse_strangers(files: Sequence[str], out: Path) -> None:
    """Raise UserError if a page to be written is there and was not made by this command."""
    for name in files:
        path = out / name
        try:
            made = (
                not path.exists() or render.mark(COMMAND) in path.read_text(encoding="utf-8")[:200]
            )
        except (OSError, UnicodeDecodeError):
            made = False
        if not made:
            reason = f"is not a page of 'lossatlas {COMMAND}'; give another folder with -o"
            raise UserError(f"{path}: {reason}")


def _publish(files: Mapping[str, Text], out: Path, chosen: Sequence[str]) -> None:
    """Move the pages in, and remove figures that these losses had before and have no more."""
    try:
        move_in(files, out)
        for name in (f"figures/{loss}-{panel}.svg" for loss in chosen for panel in PANELS):
            if name not in files:
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{out}: the pages cannot be written there ({error})") from error
