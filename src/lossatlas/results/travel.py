"""Rows that travel: of several machines in one table, with what reports read beside them.

A file of rows is a parquet table, a line a run that has ended. Its columns are the fields of rows
as they stand in `row.json` (where runs differ in a field's type: its JSON), and, as JSON, what the
bundles and configurations are not needed for any more:

    .epochs    the lines of `epochs.jsonl`
    .config    what the protocol of a report names
    .drawn     what its figures draw of the logits: `evaluation.drawn`

Sealed as the cache of rows is, it counts only as it was written. A store keeps what it imports as
such files, `runs/.imported/<digest>.parquet`, and nowhere among its own runs: an imported row is
listed and reported, and never stands for a run here, so that a sweep makes its own.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from lossatlas import writing
from lossatlas.errors import UserError
from lossatlas.results import files, rate_tables, table
from lossatlas.results.files import Damaged

LARGEST = 2_000_000_000  # bytes of a file of rows, which is read whole
IMPORTED = ".imported"
SUFFIX = ".parquet"
MARK, VERSION = b"lossatlas.travel", 1  # another one where columns or the schema come to differ
BESIDE = (".epochs", ".config", ".drawn")
# Two rows that agree in these, and in the id that the run was made under, are of one run, whatever
# was computed of it since.
SAME = (
    "state", "device", "hardware", "cpu", "cpu_capability", "started", "wall_s", "weights_sha256",
)  # fmt: skip

Row = Mapping[str, Any]
Key = tuple[Any, ...]


class Run(NamedTuple):
    """A row, and as JSON what stands beside it."""

    row: dict[str, Any]
    written: tuple[bytes, bytes, bytes]

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """As `store.read_epochs` gives them."""
        return list(json.loads(self.written[0]))

    @property
    def config(self) -> dict[str, Any]:
        """The fields `config.<group>.<field>`."""
        return dict(json.loads(self.written[1]))

    @property
    def drawn(self) -> dict[str, Any] | None:
        """The fields of `evaluation.drawn.Drawn`; None of a run without logits."""
        found: dict[str, Any] | None = json.loads(self.written[2])
        return found


class Rows(NamedTuple):
    """What a file of rows holds: runs; the sweep that was asked for, if any; of the sweeps that
    planned them the commands, by name; the tables of rates of the store, by the ends of their
    paths; and how many runs of the sweep that was asked for had not ended."""

    runs: list[Run]
    sweep: str | None = None
    commands: Mapping[str, Sequence[str]] = {}
    rates: Mapping[str, rate_tables.Table] = {}
    unmade: int = 0


def run(
    row: Row, epochs: Sequence[Row], config: Row, drawn: Mapping[str, Any] | None = None
) -> Run:
    """A run to be written."""
    epochs_, config_, drawn_ = (json.dumps(one).encode() for one in (epochs, config, drawn))
    return Run(dict(row), (epochs_, config_, drawn_))


def key(row: Row) -> Key:
    """What two rows of one run have in common, and no two of different runs."""
    adopted = row.get("adopted_from")
    first = adopted.split()[-1] if isinstance(adopted, str) else row["run_id"]
    values = (row.get(field) for field in SAME)
    return first, *(None if v is None or v != v else v for v in values)


def order(row: Row) -> tuple[str, str, float]:
    """The key by which rows are sorted: one run's beside each other."""
    started = row.get("started")
    return str(row["run_id"]), machine(row), started if isinstance(started, int | float) else 0


def machine(row: Row) -> str:
    """The kind of machine that has made a row, as far as it tells: rows of older stores hold
    neither the processor's model nor its instructions."""
    hardware, *told = (
        "" if v is None or v != v else str(v)
        for v in map(row.get, ("hardware", "cpu", "cpu_capability"))
    )
    hardware = hardware or "a machine that is not named"
    told = [text for text in told if text and row.get("device") != "cuda"]
    return f"{hardware} ({'; '.join(told)})" if told else hardware


# ---------------------------------------------------------------------------------------- files


def write(path: Path, rows: Rows) -> None:
    """Write a file of rows beside `path`, then rename it.

    Raises:
        UserError: it is not to be called so, cannot be written, or is there and something else.
    """
    check_name(path)
    if os.path.lexists(path):
        try:
            _opened(path)
        except UserError as error:
            raise UserError(f"{error}; it is left as it is: give another name") from None
    _move_in(path, _content(rows))


def read(path: Path) -> Rows:
    """A file of rows, checked.

    Raises:
        UserError: there is none, or it is none that `lossatlas runs export` wrote.
    """
    check_name(path)
    rows = _rows(path)
    for number, (row, (epochs, config, drawn)) in enumerate(rows.runs, 1):
        where = f"{path}: row {number}"
        files.fitting(row, files.Row, where)
        if not row["run_id"].isprintable():
            raise Damaged(f"{where}: field 'run_id' is {row['run_id']!r}, not all of it printable")
        where = f"{where} ({row['run_id']})"
        files.parsed(b'{"epochs":%b}' % epochs, files.Epochs, f"{where}, epochs")
        files.parsed(config, files.Groups, f"{where}, config")
        if drawn != b"null":
            files.parsed(drawn, files.Drawn, f"{where}, drawn")
    if not rows.runs:
        raise Damaged(f"{path}: holds no row")
    if len({key(row) for row, _ in rows.runs}) < len(rows.runs):
        raise Damaged(f"{path}: holds a run twice")
    return rows


def check_name(path: Path) -> None:
    """Raise UserError unless the path is called as files of rows are."""
    if path.suffix != SUFFIX:
        raise UserError(f"{path}: a file of rows is called *{SUFFIX}")


def _opened(path: Path) -> pa.Table:
    """The table of a file of rows that holds what was written."""
    strange = f"{path}: is no file of rows that 'lossatlas runs export' wrote"
    try:
        with files.opened(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise Damaged(f"{path}: is larger than {LARGEST:,} bytes")
            content = memoryview(file.read())
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        with parquet.ParquetFile(pa.BufferReader(content)) as held:
            version = (held.schema_arrow.metadata or {}).get(MARK)
            if version is None:
                raise Damaged(strange)
            if version != b"%d" % VERSION:
                raise Damaged(
                    f"{path}: has version {version.decode(errors='replace')[:20]} of files of rows;"
                    f" this lossatlas reads version {VERSION}"
                )
            if not table.is_whole(content):
                raise Damaged(f"{path}: is damaged: it does not hold what was written")
            return held.read()
    except UserError:
        raise
    except (pa.ArrowException, OSError, ValueError):
        raise Damaged(strange) from None


def _rows(path: Path) -> Rows:
    """What a file of rows holds, not yet checked against the schema of its rows."""
    found = _opened(path)
    try:
        told = {name.decode(): json.loads(text) for name, text in found.schema.metadata.items()}
        values: list[dict[str, Any]] = [{} for _ in range(len(found))]
        for name, column in zip(found.column_names, found.columns, strict=True):
            if name not in BESIDE:
                native = column.type != pa.binary()
                for row, value in zip(values, column.to_pylist(), strict=True):
                    if value is not None:
                        row[name] = value if native else json.loads(value)
        texts = [found[name].cast(pa.binary()).to_pylist() for name in BESIDE]
        if any(None in column for column in texts):
            raise ValueError
        runs = [Run(row, one) for row, one in zip(values, zip(*texts, strict=True), strict=True)]
    except (pa.ArrowException, KeyError, TypeError, ValueError, RecursionError):
        raise Damaged(f"{path}: is damaged: it does not hold what files of rows hold") from None
    files.fitting(told, files.Told, f"{path}: its metadata")
    return Rows(runs, told["sweep"], told["commands"], told["rates"], told.get("unmade", 0))


def _content(rows: Rows) -> bytes:
    found = pa.table(
        {
            json.loads(name): column
            for name, column in table.encoded([r.row for r in rows.runs]).items()
        }
    )
    for i, name in enumerate(BESIDE):
        found = found.append_column(name, pa.array([r.written[i] for r in rows.runs], pa.binary()))
    told = {MARK: str(VERSION), b"sweep": json.dumps(rows.sweep)}
    told[b"commands"] = json.dumps(dict(sorted(rows.commands.items())))
    told[b"rates"] = json.dumps(dict(sorted(rows.rates.items())))
    if rows.unmade:
        told[b"unmade"] = json.dumps(rows.unmade)
    return table.sealed(found.replace_schema_metadata(told), compression="zstd")


def _move_in(path: Path, content: bytes) -> None:
    try:
        writing.write(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


# ---------------------------------------------------------------------------------------- stores


class Imported(NamedTuple):
    """What a store has imported: each run once, what is damaged, and the rest of `Rows`."""

    runs: list[Run]
    damaged: list[dict[str, Any]]
    commands: dict[str, Sequence[str]]
    rates: dict[str, rate_tables.Table]


def imported(root: Path, own: pd.DataFrame | None = None) -> Imported:
    """The runs that a store has imported, but for those that stand in the table `own`, too."""
    found: dict[Key, Run] = {}
    damaged: list[dict[str, Any]] = []
    commands: dict[str, Sequence[str]] = {}
    rates: dict[str, rate_tables.Table] = {}
    for path in sorted((root / IMPORTED).glob(f"*{SUFFIX}")):
        try:
            rows = _rows(path)
        except UserError as error:
            damaged.append(table.damaged_row(root, f"{IMPORTED}/{path.name}", error))
            continue
        found |= {key(one.row): one for one in rows.runs}
        commands |= rows.commands
        rates = rate_tables.over(rows.rates, rates)
    here = keys(own) if found and own is not None else set()
    runs = [one for k, one in found.items() if k not in here]
    return Imported(sorted(runs, key=lambda one: order(one.row)), damaged, commands, rates)


def bring(root: Path, path: Path) -> tuple[int, int]:
    """Let the store `root` hold the runs of a file of rows, those it does not have already.

    Returns:
        How many it had not, and how many it had.

    Raises:
        UserError: the file is no file of rows, or the store cannot be written.
    """
    rows = read(path)
    own = keys(table.collect(root))
    known = own | {key(one.row) for one in imported(root).runs}
    new = [one for one in rows.runs if key(one.row) not in known]
    if new:
        content = _content(rows._replace(runs=new, sweep=None))
        try:
            (root / IMPORTED).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{root / IMPORTED}: cannot be made ({error.strerror})") from None
        _move_in(root / IMPORTED / f"{hashlib.sha256(content).hexdigest()[:16]}{SUFFIX}", content)
    return len(new), len(rows.runs) - len(new)


def keys(found: pd.DataFrame) -> set[Key]:
    """The keys of the rows of a table."""
    fields = ["run_id", "adopted_from", *SAME]
    return set(map(key, found.reindex(columns=fields).to_dict("records")))


def with_imported(root: Path, own: pd.DataFrame) -> tuple[pd.DataFrame, Imported]:
    """The table `own` of a store, then the runs that it has imported; and all that it has."""
    brought = imported(root, own)
    return beside(own, frame(brought.runs)), brought


def frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Their rows as a table."""
    return pd.DataFrame([one.row for one in runs])


def beside(own: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """The table of a store, then another, with an index from 0; empty ones change no type."""
    held = [one for one in (own, more) if len(one)]
    found = pd.concat(held, ignore_index=True) if held else own
    return found.reindex(columns=[*own, *(c for c in found if c not in own)])
