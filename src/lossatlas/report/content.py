"""The report as plain data, assembled once and rendered by every page."""

import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from lossatlas import resources, yamls
from lossatlas.analysis import across, again, arms
from lossatlas.analysis.measures import ACCURACY, Measure
from lossatlas.cards import Card
from lossatlas.errors import UserError
from lossatlas.evaluation import bundle, metrics
from lossatlas.losses import registry
from lossatlas.report import figures, sentences, tables
from lossatlas.results import files, sweeps
from lossatlas.results.files import Damaged
from lossatlas.results.progress import OPEN
from lossatlas.results.store import VOLATILE, read_epochs


class Asked(NamedTuple):
    """What losses are compared by, with which loss, and which two besides."""

    measure: Measure = ACCURACY
    against: str = arms.BASELINE
    pair: tuple[str, str] | None = None
    other: tuple[str, Sequence[arms.Row]] | None = None  # the name and rows of another folder


def checked(rows: Sequence[arms.Row], other: Sequence[arms.Row], asked: Asked) -> list[again.Again]:
    """The statements of `rows`, each beside what `other` says."""
    order = list(registry.index())
    found = [
        [(c, arms.results(c)) for c in arms.conditions(one, order, asked.against, asked.measure)]
        for one in (rows, other)
    ]
    return again.compare(*found)


def assemble(
    rows: list[arms.Row],
    runs: Path,
    tuned: tables.Tuned = (),
    sweep: str | None = None,
    asked: Asked = Asked(),  # noqa: B008  (it cannot be changed)
) -> dict[str, Any]:
    """Everything that a page says: sentences, tables and pictures."""
    order = list(registry.index())
    names = {row["loss"] for row in rows if "loss" in row}
    losses = [n for n in order if n in names] + sorted(names - set(order))
    cards = {name: registry.get_card(name) for name in losses if registry.has_card(name)}
    told = {
        str(row["loss"]): str(row["family"]) for row in rows if {"loss", "family"} <= row.keys()
    }
    families = {n: told.get(n, cards[n].family if n in cards else "–") for n in losses}
    conditions = arms.conditions(rows, order, asked.against, asked.measure)
    found = [(c, arms.results(c)) for c in conditions]
    overall = across.summaries(found)
    repeated = checked(rows, asked.other[1], asked) if asked.other else []
    rates = tables.used_rates(tuned, rows)
    wrong: dict[tuple[str, str], arms.Row] = {}  # what is damaged beside rows that are whole

    def whole(read: Callable[[Path], Any], name: str, nothing: Any = None) -> Any:
        try:
            return read(runs / name)
        except Damaged as error:
            reason = f"{str(error).replace(f'{runs}/', '')}; left out, its row is not"
            wrong[name, reason] = {"run_id": name, "state": "damaged", "reason": reason}
            return nothing

    colours = figures.palette(found)
    material = figures.Material(
        epochs=lambda run: whole(read_epochs, run, []),
        outputs=lambda run: whole(_outputs, run),
        palette=colours,
    )
    improper = [name for name, card in cards.items() if not _is_proper(card)]
    settings = [c.setting + c.judge.whose for c in conditions]
    parts = [
        {
            "condition": condition,
            "name": name if settings.count(name) == 1 else condition.title,
            "answer": sentences.answer(condition, results),
            "forest": figures.forest(condition, results, colours),
            "tables": [
                tables.main_table(condition, results, families),
                tables.measures_table(condition, results, families, improper, rates),
            ],
            "pictures": figures.pictures(condition, results, material),
        }
        for (condition, results), name in tqdm(
            list(zip(found, settings, strict=True)), "conditions", leave=False, disable=None
        )
    ]
    pairs = sentences.comparison(found, *asked.pair) if asked.pair else []
    again_told = sentences.checked(repeated, asked.other[0]) if asked.other else []
    differing, shared = tables.settings_tables(
        row | whole(_config, row["run_id"], {}) for row in rows if row["state"] != "damaged"
    )
    return {
        "measure": asked.measure,
        "names": losses,
        "against": asked.against,
        "answer": sentences.headline(found, overall, [*pairs[:2], *again_told[:1]]),
        "conditions": parts,
        "over_all": {
            "sentences": [
                *pairs,
                *again_told,
                *(line for one in overall for line in sentences.across(one)),
            ],
            "tables": [
                one
                for one in (
                    tables.comparison_table(found, *asked.pair) if asked.pair else None,
                    tables.checked_table(repeated, asked.other[0]) if asked.other else None,
                    *map(tables.across_table, overall),
                )
                if one is not None
            ],
            "pictures": [one for told in overall if (one := figures.gains(told, colours))],
        },
        "scenarios": sentences.scenarios(found),
        "differing": differing,
        "shared": shared,
        "notices": sentences.notices(found, rows),
        "tuned": [document | {"tables": tables.tuning_tables(document)} for document in rates],
        "losses": tables.losses_table({n: (cards.get(n), families[n]) for n in losses}),
        "limits": sentences.limits(found, _provenance()),
        "sweeps": {
            name: whole(_commands, f"{sweeps.SWEEPS}/{name}", [])
            for name in ([sweeps.find(runs, sweep).name] if sweep else _makers(rows))
            if (runs / sweeps.SWEEPS / name / "sweep.yaml").is_file()
        },
        "days": sorted({_day(row["started"]) for row in rows if "started" in row}),
        "counts": {
            "runs": sum(row["state"] not in (*OPEN, "damaged") for row in rows),
            "losses": len(losses),
            "scenarios": len({condition.setting for condition, _ in found}),
        },
        "trouble": tables.trouble_table([*rows, *wrong.values()]),  # last: it is known by now
    }


def with_measures(rows: list[arms.Row], runs: Path) -> list[arms.Row]:
    """The rows with the measures that were not yet computed when they were written, from the
    evaluation bundles that are there."""
    found = []
    for row in rows:
        scores = None
        if arms.is_finished(row) and "test_accuracy" in row and "test_aurc" not in row:
            with suppress(Damaged):  # told where it is read for the pictures
                scores = _outputs(runs / row["run_id"])
        found.append(row if scores is None else metrics.summary(*scores[:2]) | row)
    return found


def _makers(rows: list[arms.Row]) -> list[str]:
    """The sweeps that have made the runs."""
    return sorted({str(row["sweep"]) for row in rows if "sweep" in row})


def _commands(folder: Path) -> list[str]:
    """The commands that make the runs of a sweep, without what tells of this machine."""
    path = folder / "sweep.yaml"
    try:
        found = files.fitting(yamls.parse(files.text(path), str(path)), files.SweepFile, str(path))
        lines = [["lossatlas", "train", "-m", *_lasting(grid)] for grid in found["grids"]]
    except ValueError as error:  # of YAML, or quotes without their end
        raise error if isinstance(error, Damaged) else Damaged(f"{path}: {error}") from None
    return list(map(shlex.join, lines))


def _provenance() -> list[dict[str, str]]:
    return list(yamls.read(resources.folder("conf") / "provenance.yaml"))


def _lasting(grid: str) -> list[str]:
    """The words of a sweep's line that say what is run, not where or how it is watched."""
    words = [text for text in shlex.split(grid) if re.split("[.=]", text)[0] not in VOLATILE]
    return [f"data.path={Path(w).name}" if w.startswith("data.path=") else w for w in words]


def _config(folder: Path) -> dict[str, Any]:
    """The resolved configuration as `config.<group>.<field>`, without what rows already hold."""
    path = folder / "config.yaml"
    try:
        text = files.text(path)
        groups = re.split(r"^(?=\w)", text, flags=re.M)
        return {field: value for group in groups for field, value in _group(group).items()}
    except FileNotFoundError:
        return {}
    except UserError as error:
        raise error if isinstance(error, Damaged) else Damaged(f"{path}: {error}") from None


@lru_cache(4096)
def _group(text: str) -> dict[str, Any]:
    """The same of one group, a part of the YAML: runs share most groups, and reading is slow."""
    config = files.fitting(
        {} if not text.strip() else yamls.parse(text, "a group"), files.Groups, "a group"
    )
    return {
        f"config.{group}.{field}": value
        for group, fields in config.items()
        if isinstance(fields, dict) and group not in (*VOLATILE, "loss")
        for field, value in fields.items()
        if field not in ("name", *arms.SETTINGS)
        and value is not None
        and f"{group}.{field}" not in VOLATILE
        and (group, value) != ("data", 0)  # 0: the data set has the size it has
    }


def _outputs(folder: Path) -> bundle.Scores | None:
    """What a model said of the test images; None without a bundle."""
    try:
        return bundle.load_logits(folder / "bundle.safetensors")
    except FileNotFoundError:
        return None


def _is_proper(card: Card) -> bool:
    claim = card.properties.get("strictly_proper")
    return claim is not None and claim.value is True


def _day(started: float) -> str:
    return str(pd.Timestamp(started, unit="s").strftime("%Y-%m-%d"))
