"""The book of cards: a page a loss, and an index with every verdict and the map of the losses."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossatlas.cards import Card
from lossatlas.drawing import Picture
from lossatlas.errors import UserError
from lossatlas.losses import examples, registry
from lossatlas.losses.kinds import KINDS
from lossatlas.pages import render, whole
from lossatlas.pages.publish import Text, publish
from lossatlas.report import card_page, identities
from lossatlas.report.atlas_figure import atlas
from lossatlas.report.card_page import GLYPHS, LEGEND, NOT, words
from lossatlas.theory import records, wording
from lossatlas.theory.atlas_map import atlas_map
from lossatlas.theory.checks import CHECKS
from lossatlas.threads import one_thread

COMMAND = "card"


def build(names: Sequence[str] | None, out: Path, results: Sequence[Path]) -> list[Path]:
    """Write `<id>.html`, `<id>.md` and figures/*.svg of losses into `out`; of all, with an index.

    The files depend on nothing but cards, code, stored verdicts (made where they are missing), the
    tables `results` and the run store: a second build gives the same bytes. Pages link to each
    other's pages that are there or are being written.

    Args:
        names: ids of losses; None means all that have a card, and the index.
        out: the folder of the render.
        results: the results.csv of reports.

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
            if names is not None:
                raise
            failed[name] = error
    html = [f"{name}.html" for name in chosen] if names is not None else ["index.html"]
    content: dict[str, dict[str, Any]] = {}
    files: dict[str, Text] = {}
    with one_thread():
        measured = card_page.experiments(results, out)
        for name in (name for name in chosen if name not in failed):
            try:
                content[name] = card_page.assemble(name, measured)
            except UserError as error:
                if names is not None:
                    raise
                failed[name] = error
        linked = content.keys() | {name for name in every if (out / f"{name}.html").is_file()}
        if names is None:
            linked = {*content, "index"}
        elif (out / "index.html").is_file():
            linked |= {"index"}
        also = whole.beside(out, COMMAND)
        for name, page in content.items():
            pictures = [*page["pictures"], page["strip"]]
            files |= _rendered(name, page | {"linked": linked, "beside": also}, "card", pictures)
        if names is None:
            without = [name for name in every if name not in chosen]
            page = index([*content], without)
            page["beside"] = also
            page["failed"] = [f"{name} ({error})" for name, error in failed.items()]
            files |= _rendered("index", page, "book", [page["map"]])
            files["README.md"] = files.pop("index.md")
            one = identities.content([*content])
            files |= _rendered("identities", one, "identities", [])
    owners = None if names is None else {*names}
    publish(files, out, COMMAND, lambda name: owners is None or _owner(name) in owners)
    return [out / name for name in html]


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
    places = atlas_map(chosen)
    return {
        "count": len(chosen),
        "legend": LEGEND,
        "map": atlas(places) if len(places) > 2 else None,
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
    families: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        cells = [_cell(prop, found[name].get(prop)) for prop in props]
        families.setdefault(cards[name].family, []).append(
            {"id": name, "name": cards[name].name, "target": cards[name].target, "cells": cells}
        )
    return {
        "title": title,
        "props": [(words(prop), CHECKS[prop].statement) for prop in props],
        "families": [{"name": words(family), "rows": rows} for family, rows in families.items()],
    }


def _cell(prop: str, record: Mapping[str, Any] | None) -> dict[str, Any]:
    if record is None:
        return {"glyph": "", "anchor": None}
    return {
        "glyph": GLYPHS[record["verdict"]] + "!" * (record["agrees"] is False),
        "anchor": None if record["verdict"] == NOT else f"property-{prop}",
    }


def _rendered(
    name: str, content: dict[str, Any], page: str, pictures: Sequence[Picture | None]
) -> dict[str, Text]:
    shown = [one for one in pictures if one]
    files: dict[str, Text] = {f"figures/{one.file}": one.svg for one in shown}
    files[f"{name}.html"] = render.in_browser(content, COMMAND, files, page=page, beside=True)
    files[f"{name}.md"] = render.markdown(content, COMMAND, page)
    files |= {f"figures/{one.csv}": one.data for one in shown if one.data}
    return files


def _owner(name: str) -> str:
    """The loss of a page or figure: figures/gce-link.svg is gce's."""
    return re.split(r"[-.]", Path(name).name)[0]
