"""The report as plain data, assembled once and rendered by every page."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from lossatlas import resources, yamls
from lossatlas.analysis import across, again, arms, machines, measures
from lossatlas.analysis.measures import ACCURACY, Measure
from lossatlas.cards import Card
from lossatlas.losses import registry
from lossatlas.report import figures, sentences, tables
from lossatlas.report.headline import headline
from lossatlas.report.source import Source
from lossatlas.results import sweeps
from lossatlas.results.files import Damaged
from lossatlas.results.progress import OPEN


class Asked(NamedTuple):
    """What losses are compared by, with which loss, and which two besides."""

    measure: Measure = ACCURACY
    against: str = arms.BASELINE
    pair: tuple[str, str] | None = None


def compared(rows: Sequence[arms.Row], asked: Asked) -> arms.Found:
    """The conditions of some rows, each with what it shows."""
    conditions = arms.conditions(rows, list(registry.index()), asked.against, asked.measure)
    return [(c, arms.results(c)) for c in conditions]


def assemble(
    source: Source,
    found: arms.Found,
    tuned: tables.Tuned,
    asked: Asked,
    repeated: Mapping[str, Sequence[again.Again]],
) -> dict[str, Any]:
    """Everything that a page says: sentences, tables and pictures; `found` is what the rows of the
    source show."""
    rows = source.rows
    order = list(registry.index())
    names = {row["loss"] for row in rows if "loss" in row}
    losses = [n for n in order if n in names] + sorted(names - set(order))
    cards = {name: registry.get_card(name) for name in losses if registry.has_card(name)}
    told = {
        str(row["loss"]): str(row["family"]) for row in rows if {"loss", "family"} <= row.keys()
    }
    families = {n: told.get(n, cards[n].family if n in cards else "–") for n in losses}
    overall = across.summaries(found)
    rates = tables.used_rates(tuned, rows)
    wrong: dict[tuple[str, str], arms.Row] = {}  # what is damaged beside rows that are whole

    def whole(read: Callable[[Any], Any], one: Any, nothing: Any = None) -> Any:
        try:
            return read(one)
        except Damaged as error:
            name = one["run_id"] if isinstance(one, dict) else f"{sweeps.SWEEPS}/{one}"
            reason = f"{str(error).replace(f'{source.place}/', '')}; left out, its row is not"
            wrong[name, reason] = {"run_id": name, "state": "damaged", "reason": reason}
            return nothing

    colours = figures.palette(found)
    material = figures.Material(
        epochs=lambda row: whole(source.epochs, row, []),
        outputs=lambda row: whole(source.drawn, row),
        palette=colours,
    )
    improper = [name for name, card in cards.items() if not _is_proper(card)]
    settings = [c.setting + c.judge.whose for c, _ in found]
    parts = [
        {
            "condition": condition,
            "name": name if settings.count(name) == 1 else condition.title,
            "answer": sentences.answer(condition, results),
            "forest": figures.forest(condition, results, colours),
            "tables": [
                tables.main_table(condition, results, families),
                *tables.measures_tables(condition, results, families, improper, rates),
            ],
            "pictures": figures.pictures(condition, results, material),
        }
        for (condition, results), name in tqdm(
            list(zip(found, settings, strict=True)), "conditions", leave=False, disable=None
        )
    ]
    pairs = sentences.comparison(found, *asked.pair) if asked.pair else []
    again_told = [sentences.checked(told, name) for name, told in repeated.items()]
    differing, shared = tables.settings_tables(
        row | whole(source.config, row, {}) for row in rows if row["state"] != "damaged"
    )
    return {
        "measure": asked.measure,
        "names": losses,
        "against": asked.against,
        "answer": headline(found, overall, pairs[:2], [told[0] for told in again_told]),
        "conditions": parts,
        "over_all": {
            "sentences": [
                *pairs,
                *itertools.chain(*again_told),
                *(line for one in overall for line in sentences.across(one)),
            ],
            "tables": [
                one
                for one in (
                    tables.comparison_table(found, *asked.pair) if asked.pair else None,
                    *(tables.checked_table(t, name, families) for name, t in repeated.items()),
                    tables.beside_table(found, families),
                    *map(tables.across_table, overall),
                )
                if one is not None
            ],
            "pictures": [one for told in overall if (one := figures.gains(told, colours))],
        },
        "scenarios": sentences.scenarios(found),
        "differing": differing,
        "shared": shared,
        "notices": sentences.notices(found, rows, source.unmade),
        "tuned": [
            document | {"table": tables.rates_table(document, families)} for document in rates
        ],
        "losses": tables.losses_table({n: (cards.get(n), families[n]) for n in losses}),
        "machines": tables.machines_table(machines.between(found)),
        "reading": measures.words(rows),
        "limits": sentences.limits(found, _provenance()),
        "sweeps": {
            name: lines
            for name in source.planned
            if (lines := whole(source.commands, name, [])) is not None
        },
        "days": sorted({_day(row["started"]) for row in rows if "started" in row}),
        "counts": {
            "rows": len(ended := [r for r in rows if r["state"] not in (*OPEN, "damaged")]),
            "runs": len({row["run_id"] for row in ended}),
            "losses": len(losses),
            "scenarios": len({condition.setting for condition, _ in found}),
        },
        "trouble": tables.trouble_table([*rows, *wrong.values()]),  # last: it is known by now
    }


def _provenance() -> list[dict[str, str]]:
    return list(yamls.read(resources.folder("conf") / "provenance.yaml"))


def _is_proper(card: Card) -> bool:
    claim = card.properties.get("strictly_proper")
    return claim is not None and claim.value is True


def _day(started: float) -> str:
    return str(pd.Timestamp(started, unit="s").strftime("%Y-%m-%d"))
