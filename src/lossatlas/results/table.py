"""The rows of a run store as one table, fast also when there are 100,000 of them.

Opening a file a run is what takes the time. The rows that were read are therefore kept beside the
runs, in `.rows.parquet`. That file is a cache: an entry counts only while its `row.json` has the
time of change and the size that it had when it was read, and nothing is lost by deleting the file.

While rows are put together, and in the cache, a field of theirs is an Arrow column from which the
values come back exactly: of strings, floats, 64-bit integers or booleans where all values are of
one such kind, else of JSON texts as binary. A null of Arrow is a field that the row does not have;
a null of JSON is the text `null`.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from lossatlas.errors import UserError

CACHE = ".rows.parquet"
VERSION = {b"lossatlas.rows": b"1"}  # another one where columns come to mean something else
CHUNK = 1000  # rows that are Python objects at a time: what fits the processor's cache is faster
# Beside these are the fields of the rows, named by JSON texts, which begin with a quote.
STAMP = pa.schema([("folder", pa.binary()), ("mtime_ns", pa.int64()), ("size", pa.int64())])
ABSENT = object()
NATIVE = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}

Row = Mapping[str, Any]


def collect(root: Path, unfinished: Iterable[Row] = ()) -> pd.DataFrame:
    """The rows of all finished runs below `root`, by the names of their folders, then `unfinished`.

    Values and types are those of `pd.DataFrame(rows)`; columns are in alphabetical order.

    Raises:
        UserError: a `row.json` is not JSON.
    """
    stamps, cached = _stamps(root), _cached(root)
    at = pd.Index(cached["folder"].to_pandas()).get_indexer(stamps["folder"].to_pandas())
    known = at >= 0
    for field in ("mtime_ns", "size"):
        known[known] = cached[field].to_numpy()[at[known]] == stamps[field].to_numpy()[known]
    fresh = stamps.filter(pa.array(~known))
    rows = _joined([cached.take(pa.array(at[known])), *_read(root, fresh)]).sort_by("folder")
    if len(fresh) > max(100, 0.05 * len(rows)):
        _keep(root, rows)
    rows = _joined([rows, pa.table(_encoded(list(unfinished)))])
    fields = {json.loads(name): name for name in rows.column_names if name not in STAMP.names}
    columns = {key: rows[name] for key, name in sorted(fields.items())}
    held = {key: _decoded(c) for key, c in columns.items() if c.null_count < len(c)}
    table = pd.DataFrame(held, index=range(len(rows)))
    del rows, cached, columns
    pa.default_memory_pool().release_unused()  # a hundred megabytes, for what comes after
    return table


def read_row(folder: Path | str) -> dict[str, Any] | None:
    """The row of a finished run, or None."""
    path = f"{folder}/row.json"
    try:
        with open(path, "rb", buffering=0) as file:
            row = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not JSON ({error}); delete that run's folder") from None
    return dict(row)


def _stamps(root: Path) -> pa.Table:
    """Name of the folder, time of change and size of every row."""
    names, times, sizes = [], [], []
    folder = os.fsencode(root)
    for name in os.listdir(folder) if root.is_dir() else ():
        if not name.startswith(b"."):
            with suppress(FileNotFoundError, NotADirectoryError):
                found = os.stat(b"%b/%b/row.json" % (folder, name))
                names.append(name)
                times.append(found.st_mtime_ns)
                sizes.append(found.st_size)
    return pa.table([names, times, sizes], schema=STAMP)


def _cached(root: Path) -> pa.Table:
    """What the cache holds; nothing if it is damaged, of another version or not there."""
    try:
        with parquet.ParquetFile(root / CACHE, page_checksum_verification=True) as file:
            if file.schema_arrow.metadata == VERSION:
                return file.read()
    except (OSError, pa.ArrowException):
        pass
    return STAMP.empty_table()


def _keep(root: Path, rows: pa.Table) -> None:
    """Write the cache beside, then rename it; a folder that cannot be written does without."""
    beside = root / f"{CACHE}.{os.getpid()}"
    with suppress(OSError):
        try:
            parquet.write_table(
                rows.replace_schema_metadata(VERSION), beside, write_page_checksum=True
            )
            beside.replace(root / CACHE)
        finally:
            beside.unlink(missing_ok=True)


def _read(root: Path, stamps: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, len(stamps), CHUNK):
        part = stamps.slice(start, CHUNK)
        read = [read_row(f"{root}/{os.fsdecode(name)}") for name in part["folder"].to_pylist()]
        part = part.filter(pa.array([row is not None for row in read]))  # gone since it was seen
        for name, column in _encoded([row for row in read if row is not None]).items():
            part = part.append_column(name, column)
        yield part


def _encoded(rows: Sequence[Row]) -> dict[str, pa.Array]:
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
