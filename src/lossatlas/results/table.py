"""The rows of a run store as one table, fast also when there are 100,000 of them.

Opening a file a run is what takes the time. The rows that were read are therefore kept beside the
runs, in `.rows.parquet`. That file is a cache: an entry counts only while its `row.json` has the
time of change and the size that it had when it was read, and nothing is lost by deleting the file.
It holds rows that were checked when they were read, and so counts only as it was written: before
its footer, where readers of parquet look for nothing, stands the SHA-256 of all the rest.

While rows are put together, and in the cache, a field of theirs is an Arrow column from which the
values come back exactly: of strings, floats, 64-bit integers or booleans where all values are of
one such kind, else of JSON texts as binary. A null of Arrow is a field that the row does not have;
a null of JSON is the text `null`.
"""

import hashlib
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from lossatlas.results import files
from lossatlas.results.files import Damaged
from lossatlas.terminal import printable
from lossatlas.writing import write

CACHE = ".rows.parquet"
VERSION = {b"lossatlas.rows": b"2"}  # another one where columns or the schema come to differ
DIGEST, FOOTER = 32, 8  # bytes of a SHA-256; the end of a parquet file: its footer's length, a mark
DIGITS = 12  # hexadecimal ones at the end of a run's id
RUN = re.compile(rb".+-s\d+-[0-9a-f]{%d}" % DIGITS, re.DOTALL)  # what a run's folder is called
# In the first version of the store an id had ten digits, and covered less of a loss's code.
EARLIER = re.compile(rb".+-s\d+-[0-9a-f]{10}", re.DOTALL)
CHUNK = 1000  # rows that are Python objects at a time: what fits the processor's cache is faster
# Beside these are the fields of the rows, named by JSON texts, which begin with a quote.
STAMP = pa.schema([("folder", pa.binary()), ("mtime_ns", pa.int64()), ("size", pa.int64())])
ABSENT = object()
NATIVE = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}

Row = Mapping[str, Any]


def collect(
    root: Path, unfinished: Iterable[Row] = (), left_out: list[Row] | None = None
) -> pd.DataFrame:
    """The rows of all finished runs below `root`, by the names of their folders, then `unfinished`.

    Values and types are those of `pd.DataFrame(rows)`; columns are in alphabetical order. Runs
    whose row is damaged come last; of them there are id, state "damaged" and the reason. They are
    put into the list `left_out` and not into the table, if that is given.
    """
    damaged: list[Row] = []
    stamps, cached = _stamps(root, damaged), _cached(root)
    at = pd.Index(cached["folder"].to_pandas()).get_indexer(stamps["folder"].to_pandas())
    known = at >= 0
    for field in ("mtime_ns", "size"):
        known[known] = cached[field].to_numpy()[at[known]] == stamps[field].to_numpy()[known]
    fresh = stamps.filter(pa.array(~known))
    rows = _joined([cached.take(pa.array(at[known])), *_read(root, fresh, damaged)]).sort_by(
        "folder"
    )
    if len(fresh) > max(100, 0.05 * len(rows)):
        _keep(root, rows)
    more = [*unfinished, *damaged]
    if left_out is not None:
        left_out += [row for row in more if row.get("state") == "damaged"]
        more = [row for row in more if row.get("state") != "damaged"]
    rows = _joined([rows, pa.table(encoded(more))])
    fields = {json.loads(name): name for name in rows.column_names if name not in STAMP.names}
    columns = {key: rows[name] for key, name in sorted(fields.items())}
    held = {key: _decoded(c) for key, c in columns.items() if c.null_count < len(c)}
    table = pd.DataFrame(held, index=range(len(rows)))
    del rows, cached, columns
    pa.default_memory_pool().release_unused()  # a hundred megabytes, for what comes after
    return table


def is_earlier(name: str | bytes) -> bool:
    """Whether this is the id of a run of the first version of the store, which nothing reads."""
    return EARLIER.fullmatch(os.fsencode(name)) is not None


def read_row(folder: Path | str) -> dict[str, Any] | None:
    """The row of the run in `folder`; None if it has none. Raises Damaged."""
    path = f"{folder}/row.json"
    try:
        row = files.mapping(path, files.Row)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if row["run_id"] != (name := os.path.basename(folder)):
        raise Damaged(f"{path}: field 'run_id' is {row['run_id']!r}, but its folder is {name!r}")
    return row


def damaged_row(root: Path, name: str, why: object) -> dict[str, Any]:
    """What stands in the table for a run of the store `root` that cannot be read."""
    reason = printable(str(why).replace(f"{root}/", ""))
    return {"run_id": printable(name), "state": "damaged", "reason": reason}


def _stamps(root: Path, damaged: list[Row]) -> pa.Table:
    """Name of the folder, time of change and size of every row; runs without one are damaged."""
    names, times, sizes = [], [], []
    folder = os.fsencode(root)
    for name in sorted(os.listdir(folder)) if root.is_dir() else ():
        if not name.startswith(b".") and not is_earlier(name):
            path = b"%b/%b/row.json" % (folder, name)
            try:
                found = _state(path)
            except OSError as error:
                seen = path.removesuffix(b"/row.json") if RUN.fullmatch(name) else path
                if os.path.lexists(seen):
                    why = f"{os.fsdecode(path)}: cannot be read ({error.strerror})"
                    damaged.append(damaged_row(root, os.fsdecode(name), why))
                continue
            names.append(name)
            times.append(found.st_mtime_ns)
            sizes.append(found.st_size)
    return pa.table([names, times, sizes], schema=STAMP)


def _state(path: bytes) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError:  # between two looks a failed run may be replaced by the one made again
        return os.stat(path)


def _cached(root: Path) -> pa.Table:
    """What the cache holds; nothing if it is damaged, of another version or not there."""
    with suppress(OSError, Damaged, pa.ArrowException):
        with files.opened(root / CACHE) as file:
            content = memoryview(file.read())
        if is_whole(content):
            with parquet.ParquetFile(pa.BufferReader(content)) as table:
                if table.schema_arrow.metadata == VERSION:
                    return table.read()
    return STAMP.empty_table()


def sealed(rows: pa.Table, **how: Any) -> bytes:
    """A parquet file with, before its footer, the SHA-256 of all the rest."""
    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, **how)
    content = memoryview(sink.getvalue())
    footer = _footer(content)
    return b"".join((content[:footer], hashlib.sha256(content).digest(), content[footer:]))


def is_whole(content: memoryview) -> bool:
    """Whether a file's content is as `sealed` wrote it."""
    end = _footer(content)
    if end <= DIGEST:
        return False
    digest = hashlib.sha256(content[: end - DIGEST])
    digest.update(content[end:])
    return digest.digest() == content[end - DIGEST : end]


def _footer(content: memoryview) -> int:
    """Where the footer of a parquet file begins."""
    return len(content) - FOOTER - int.from_bytes(content[-FOOTER:-4], "little")


def _keep(root: Path, rows: pa.Table) -> None:
    """Write the cache; a folder that cannot be written does without."""
    with suppress(OSError):
        write(root / CACHE, sealed(rows.replace_schema_metadata(VERSION)))


def _read(root: Path, stamps: pa.Table, damaged: list[Row]) -> Iterator[pa.Table]:
    for start in range(0, len(stamps), CHUNK):
        part = stamps.slice(start, CHUNK)
        read: list[Row | None] = []
        for name in map(os.fsdecode, part["folder"].to_pylist()):
            try:
                read.append(read_row(f"{root}/{name}"))
            except Damaged as error:
                damaged.append(damaged_row(root, name, error))
                read.append(None)
        part = part.filter(pa.array([row is not None for row in read]))  # not gone since, and whole
        for name, column in encoded([row for row in read if row is not None]).items():
            part = part.append_column(name, column)
        yield part


def encoded(rows: Sequence[Row]) -> dict[str, pa.Array]:
    """The fields of rows as columns, by the JSON texts of their names."""
    columns = {}
    for key in dict.fromkeys(chain.from_iterable(rows)):
        values = [row.get(key, ABSENT) for row in rows]
        kinds = set(map(type, values)) - {type(ABSENT)}
        column = None
        if len(kinds) == 1 and kinds <= set(NATIVE):
            with suppress(OverflowError):  # an integer of more than 64 bits
                held = [None if value is ABSENT else value for value in values]
                column = pa.array(held, NATIVE[kinds.pop()])
        if column is None:
            texts = [None if v is ABSENT else json.dumps(v).encode() for v in values]
            column = pa.array(texts, pa.binary())
        columns[json.dumps(key)] = column
    return columns


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """One table below the other; where they differ in a column's kind, it becomes one of JSON."""
    kinds: dict[str, set[pa.DataType]] = defaultdict(set)
    for table in tables:
        for field in table.schema:
            kinds[field.name].add(field.type)
    alike = []
    for table in tables:
        for i, field in enumerate(table.schema):
            if len(kinds[field.name]) > 1 and field.type != pa.binary():
                values = table.column(i).to_pylist()
                texts = [None if v is None else json.dumps(v).encode() for v in values]
                table = table.set_column(i, field.name, pa.array(texts, pa.binary()))
        alike.append(table)
    return pa.concat_tables(alike, promote_options="default")


def _decoded(column: pa.ChunkedArray) -> pd.Series:
    """The values as pandas would hold them, had it been given the rows."""
    if column.type == pa.binary():
        texts = column.to_pylist()
        parsed = iter(json.loads(b"[" + b",".join(t for t in texts if t is not None) + b"]"))
        return pd.Series([math.nan if text is None else next(parsed) for text in texts])
    if column.type == pa.bool_() and column.null_count:
        return pd.Series([math.nan if value is None else value for value in column.to_pylist()])
    return column.to_pandas()
