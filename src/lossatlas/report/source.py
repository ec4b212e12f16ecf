"""Where a report reads from: a run store with what it has imported, or a file of rows.

From either come the rows and what stands beside them: epochs, configurations, what figures draw of
the bundles, and the commands of sweeps. `export` writes that down; so a report of the file is that
of the store. Nothing here imports torch, unless there are bundles to be read.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from lossatlas import yamls
from lossatlas.analysis import arms
from lossatlas.errors import UserError
from lossatlas.evaluation.drawn import Drawn, drawn
from lossatlas.results import files, rate_tables, selection, store, sweeps, travel
from lossatlas.results.files import Damaged
from lossatlas.results.progress import OPEN
from lossatlas.results.store import VOLATILE, read_epochs, read_row
from lossatlas.results.table import damaged_row

if TYPE_CHECKING:
    from lossatlas.evaluation.bundle import Scores

BUNDLE = "bundle.safetensors"


class Source(NamedTuple):
    """Rows, and what is beside them.

    `place` is the folder or file that was named; `kept` are the runs that have travelled, by the
    keys of their rows here, all others have a folder in `place`; `planned` are the sweeps whose
    commands make the rows, `told` those commands that have travelled, and `tables` the tables of
    rates, those of the store and those that have travelled, by the ends of their paths. Of the
    sweeps that were asked for, `unmade` runs had not ended.
    """

    rows: list[arms.Row]
    place: Path
    kept: Mapping[travel.Key, travel.Run]
    planned: list[str]
    told: Mapping[str, Sequence[str]]
    tables: Mapping[str, rate_tables.Table]
    unmade: int

    def epochs(self, row: arms.Row) -> list[dict[str, Any]]:
        """The epochs of a run; raises Damaged."""
        run = self.kept.get(travel.key(row))
        return read_epochs(self.place / row["run_id"]) if run is None else run.epochs

    def config(self, row: arms.Row) -> dict[str, Any]:
        """The configuration as `config.<group>.<field>`, without what rows hold; raises Damaged."""
        run = self.kept.get(travel.key(row))
        return _config(self.place / row["run_id"]) if run is None else run.config

    def drawn(self, row: arms.Row) -> Drawn | None:
        """What is drawn of its logits, if it has left any; raises Damaged."""
        run = self.kept.get(travel.key(row))
        if run is not None:
            return None if run.drawn is None else Drawn(int(row["seed"]), **run.drawn)
        scores = _scores(self.place / row["run_id"])
        return None if scores is None else drawn(int(row["seed"]), scores)

    def rates(self, besides: Path | None = None) -> dict[str, rate_tables.Table]:
        """The tables of rates of the recipes of the runs, by the ends of their paths: for each loss
        those of the store count first, then those that have travelled, then those of the folder
        `besides`.

        Raises:
            UserError: one of the folder is none; those of the store are damaged rows then.
        """
        recipes = {str(row.get("recipe")) for row in self.rows}
        own = {name: table for name, table in self.tables.items() if name.split("/")[0] in recipes}
        found: dict[str, rate_tables.Table] = {}
        for path in besides.glob("*/*.yaml") if besides is not None else ():
            if path.parent.name in recipes:
                found |= _table(path)
        return dict(sorted(rate_tables.over(own, found).items()))

    def commands(self, sweep: str) -> list[str] | None:
        """The commands that make the runs of a sweep, if they are known; raises Damaged."""
        folder = self.place / sweeps.SWEEPS / sweep
        if (folder / "sweep.yaml").is_file():
            return _commands(folder)
        return list(self.told[sweep]) if sweep in self.told else None


def read(
    place: Path, only: str | None = None, sweep: str | None = None, held_out: bool = False
) -> Source:
    """The runs that a report of a store or of a file of rows is about, with the measures that were
    not yet computed when their rows were written, from the bundles that are there; those that are
    damaged have no more than a reason.

    Of those, the runs whose id fits the shell pattern `only` and that the sweep `sweep` has
    planned, or one of several with commas between; runs of tuning only if they are asked for
    (`held_out`).

    Raises:
        UserError: `place` is missing, has no such sweep or holds no such runs.
    """
    if place.suffix == travel.SUFFIX and not place.is_dir():
        rows, first = travel.read(place), 0
        table = travel.frame(rows.runs)
    else:
        store.check_folder(place)
        own = store.table(place)
        table, found = travel.with_imported(place, own)
        rows = travel.Rows(found.runs, None, found.commands, found.rates)
        first = len(own)  # of the rows that were imported
        table = travel.beside(table, pd.DataFrame(found.damaged))
    if only is not None:
        table = table[selection.fits(table, only)]
    asked, unmade = rows.sweep, rows.unmade
    if sweep is not None:
        if not place.is_dir():
            raise UserError(
                f"--sweep {sweep!r}: a file of rows has no plans; choose with --only, or give "
                "--sweep where it is written"
            )
        folders = [sweeps.find(place, name) for name in sweep.split(",")]
        asked = ",".join(dict.fromkeys(folder.name for folder in folders))
        ids = {one for folder in folders for one in sweeps.ids(folder)}
        table = table[table["run_id"].isin(ids)]
        unmade = len(ids - {*table.loc[~table["state"].isin(OPEN), "run_id"]})
    if not held_out:
        table = table[~(table["holdout"] > 0)]
    chosen = [] if table.empty else arms.rows(table, held_out)
    kept = {
        travel.key(row): rows.runs[i - first]
        for i, row in zip(table.index.tolist(), chosen, strict=True)
        if 0 <= i - first < len(rows.runs)
    }
    if all(row["state"] == "damaged" for row in chosen):
        options = (("--only", only), ("--sweep", sweep))
        told = "".join(f" with {option} {name!r}" for option, name in options if name is not None)
        also = f" and {len(chosen)} damaged ones (see 'lossatlas runs')" if chosen else ""
        besides = "" if held_out else ", not counting those of tuning"
        raise UserError(f"{place}: holds no runs to report{told}{besides}{also}")
    makers = sorted({str(row["sweep"]) for row in chosen if "sweep" in row})
    planned = makers if asked is None else asked.split(",")
    tables = dict(rows.rates)
    for path in (place / store.TUNED).glob("*/*.yaml"):
        try:
            tables = rate_tables.over(_table(path), tables)
        except UserError as error:
            name = path.relative_to(place).as_posix()
            chosen.append(damaged_row(place, name, f"{error}; no rate of it is told"))
    source = Source(chosen, place, kept, planned, rows.commands, tables, unmade)
    return source._replace(rows=sorted((_measured(r, source) for r in chosen), key=travel.order))


def _table(path: Path) -> dict[str, rate_tables.Table]:
    """A table of rates by the end of its path."""
    return {f"{path.parent.name}/{path.name}": rate_tables.read(path)}


def _measured(row: arms.Row, source: Source) -> arms.Row:
    if travel.key(row) in source.kept or not _lacks_measures(row):
        return row
    with suppress(Damaged):  # told where it is read for the pictures
        return _with_measures(row, _scores(source.place / row["run_id"]))
    return row


def _lacks_measures(row: arms.Row) -> bool:
    return arms.is_finished(row) and "test_accuracy" in row and "test_aurc" not in row


def _with_measures(row: arms.Row, scores: "Scores | None") -> arms.Row:
    if scores is None:
        return row
    from lossatlas.evaluation import metrics

    return metrics.summary(*scores[:2]) | row


def export(
    runs: Path, path: Path, only: str | None = None, sweep: str | None = None
) -> tuple[int, list[str]]:
    """Write the runs of a store that have ended into a file of rows.

    Returns:
        How many, and a sentence on each that was left out or has lost something.

    Raises:
        UserError: as `read` and `travel.write` do; or no run has ended.
    """
    store.check_folder(runs)
    source = read(runs, only, sweep, held_out=True)
    found: list[travel.Run] = []
    said: list[str] = []
    for row in source.rows:
        if row["state"] in (*OPEN, "damaged"):
            said.append(f"{row['run_id']}: left out: {row['state']}")
            continue
        run = source.kept.get(travel.key(row))
        found.append(_packed(source, row, said) if run is None else run)
    if not found:
        raise UserError(f"{runs}: none of its {len(said)} runs has ended; there is no row to write")
    commands = {}
    for name in source.planned:
        try:
            if (lines := source.commands(name)) is not None:
                commands[name] = lines
        except Damaged as error:
            said.append(str(error))
    asked = ",".join(source.planned) if sweep is not None else None
    travel.write(path, travel.Rows(found, asked, commands, source.rates(), source.unmade))
    return len(found), said


def _packed(source: Source, row: arms.Row, said: list[str]) -> travel.Run:
    """A run of the store as one that travels: its row as it was written, not as tables hold it, but
    for empty fields."""
    folder = source.place / row["run_id"]
    whole = {k: v for k, v in (read_row(folder) or row).items() if v is not None}

    def beside(read: Any, of: Any, nothing: Any) -> Any:
        try:
            return read(of)
        except Damaged as error:
            said.append(f"{error}; its row travels without it")
            return nothing

    scores = beside(_scores, folder, None)
    if _lacks_measures(whole):
        whole = _with_measures(whole, scores)
    summed = None if scores is None else drawn(row["seed"], scores)._asdict()
    if summed is not None:
        del summed["seed"]  # which the row has
    epochs, config = beside(source.epochs, row, []), beside(source.config, row, {})
    return travel.run(whole, epochs, config, summed)


def _scores(folder: Path) -> "Scores | None":
    """What a model said of the test images; None without a bundle."""
    if not os.path.lexists(folder / BUNDLE):
        return None
    from lossatlas.evaluation import bundle

    with suppress(FileNotFoundError):
        return bundle.load_logits(folder / BUNDLE)
    return None


def _commands(folder: Path) -> list[str]:
    """The commands that make the runs of a sweep, without what tells of this machine."""
    path = folder / "sweep.yaml"
    try:
        found = files.fitting(yamls.parse(files.text(path), str(path)), files.SweepFile, str(path))
        lines = [["lossatlas", "train", "-m", *_lasting(grid)] for grid in found["grids"]]
    except ValueError as error:  # of YAML, or quotes without their end
        raise error if isinstance(error, Damaged) else Damaged(f"{path}: {error}") from None
    return list(map(shlex.join, lines))


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
