"""The table of all rows: the same with its cache as without, whatever the rows hold."""

import json
import math
import os
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import parquet

from lossatlas.results import load, store, table
from rows import whole

# The last of each are rare, so that fields stay of one kind in many rows and change by a few.
NASTY: list[Any] = [
    1, 0, -7, 1.5, 0.1, 1e300, -0.0, float("nan"), float("inf"), -float("inf"), True, False, None,
    "a", "", "null", "NaN", "1", "Verlust 损失 🎲 \u2028 \x00", [1, 2], [], [None, "b", [0.5]],
    {"a": {"b": None}}, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**40,
]  # fmt: skip
FIELDS = [
    "a", "", "folder", '"folder"', "size", "mtime_ns", "loss.gamma", "Größe", "x y\n", "loss.t",
]  # fmt: skip


def write(root: Path, number: int, row: Any) -> None:
    """One row; a time of change of its own, as rows have that are not written in one tick."""
    folder = root / f"run-{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "row.json"
    path.write_text(json.dumps(row, ensure_ascii=number % 2 == 0))
    write.clock += 1  # type: ignore[attr-defined]
    os.utime(path, ns=(0, write.clock))  # type: ignore[attr-defined]


write.clock = 10**18  # type: ignore[attr-defined]


def row(number: int, **fields: Any) -> dict[str, Any]:
    """The row of the run that `write` gives that number."""
    return whole(f"run-{number:04d}", **fields)


def nasty_rows(seed: int, count: int) -> list[dict[str, Any]]:
    """Rows whose fields are mostly of one kind, mostly there, and now and then of any other."""
    r = random.Random(seed)
    usual = {field: r.choice(NASTY) for field in FIELDS}
    alike = {field: [v for v in NASTY if type(v) is type(usual[field])] for field in FIELDS}
    odd = r.choice([0.0, 0.01, 0.5])
    return [
        row(i)
        | {
            field: r.choice(NASTY) if r.random() < odd else r.choice(alike[field])
            for field in FIELDS
            if r.random() > odd
        }
        for i in range(count)
    ]


def exactly(found: pd.DataFrame) -> dict[str, Any]:
    """Types and values such that 1, 1.0 and True, 0.0 and -0.0, None and NaN are told apart."""
    return {
        column: (str(found[column].dtype), [(type(v), repr(v)) for v in found[column].tolist()])
        for column in found
    }


def expected(rows: list[dict[str, Any]]) -> dict[str, Any]:
    plain = exactly(pd.DataFrame(rows))
    return dict(sorted(plain.items()))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders whose row is read, as it happens."""
    seen: list[str] = []
    read = table.read_row
    monkeypatch.setattr(
        table, "read_row", lambda folder: (seen.append(Path(folder).name), read(folder))[1]
    )
    return seen


@pytest.mark.parametrize("seed", range(20))
def test_the_table_is_that_of_the_rows_with_and_without_cache(seed, tmp_path, reads, monkeypatch):
    monkeypatch.setattr(table, "CHUNK", 60)
    rows = dict(enumerate(nasty_rows(seed, 150)))
    for number, one in rows.items():
        write(tmp_path, number, one)
    first = table.collect(tmp_path)
    assert exactly(first) == expected(list(rows.values()))
    assert list(exactly(first)) == sorted(exactly(first))
    assert len(reads) == 150

    reads.clear()
    assert exactly(table.collect(tmp_path)) == exactly(first)
    assert reads == []

    r = random.Random(seed)
    changed, gone = sorted(r.sample(range(150), 9)), r.sample(range(150), 30)
    new = dict(enumerate(nasty_rows(seed + 1000, 160)))
    for number in (*changed, *range(150, 160)):
        rows[number] = new[number]
        write(tmp_path, number, rows[number])
    for number in gone:
        del rows[number]
        shutil.rmtree(tmp_path / f"run-{number:04d}")
    found = table.collect(tmp_path)
    assert exactly(found) == expected([rows[number] for number in sorted(rows)])
    assert set(reads) == {f"run-{n:04d}" for n in (*changed, *range(150, 160)) if n in rows}
    (tmp_path / table.CACHE).unlink()
    assert exactly(table.collect(tmp_path)) == exactly(found)


def test_what_a_field_loses_or_wins_by_a_single_row(tmp_path):
    kinds = [1, 1.5, "a", [1, 2], True, None, 2**70]
    for usual in kinds:
        for other in kinds:
            root = tmp_path / f"{usual}-{other}"
            rows = [row(i) | {"loss.x": usual} for i in range(102)]
            for number, one in enumerate(rows):
                write(root, number, one)
            table.collect(root)
            rows += [row(102) | {"loss.x": other}, row(103)]
            for number in (102, 103):
                write(root, number, rows[number])
            assert exactly(table.collect(root)) == expected(rows)


def test_unfinished_rows_come_last_and_stay_out_of_the_cache(tmp_path):
    for number in range(101):
        write(tmp_path, number, row(number, seed=number))
    extra = [{"run_id": "z", "state": "running", "seed": 2.5}, {"run_id": "a", "epochs_made": 1}]
    finished = [row(n, seed=n) for n in range(101)]
    for _ in range(2):
        assert exactly(table.collect(tmp_path, iter(extra))) == expected(finished + extra)
    assert exactly(table.collect(tmp_path)) == expected(finished)


def test_a_rewritten_row_of_the_same_size_or_the_same_time_is_read_again(tmp_path):
    for number in range(101):
        write(tmp_path, number, row(number, v=1))
    table.collect(tmp_path)
    path = tmp_path / "run-0007" / "row.json"
    cached = path.stat().st_mtime_ns
    path.write_text(path.read_text().replace('"v": 1', '"v": 2'))
    assert table.collect(tmp_path)["v"].sum() == 102
    path.write_text(path.read_text().replace('"v": 2', '"v": 33'))
    os.utime(path, ns=(0, cached))
    assert table.collect(tmp_path)["v"].sum() == 133


def test_a_field_that_no_row_has_any_more_is_gone(tmp_path):
    for number in range(150):
        write(tmp_path, number, row(number, v=number) | ({"only": 1} if number == 7 else {}))
    assert "only" in table.collect(tmp_path)
    shutil.rmtree(tmp_path / "run-0007")
    assert set(table.collect(tmp_path)) == {*row(0), "v"}


def test_a_run_that_vanishes_while_rows_are_read_is_left_out(tmp_path, monkeypatch):
    for number in range(5):
        write(tmp_path, number, row(number, v=number))
    read = table.read_row

    def remove_and_read(folder: str) -> dict[str, Any] | None:
        if folder.endswith("run-0002"):
            shutil.rmtree(folder)
        return read(folder)

    monkeypatch.setattr(table, "read_row", remove_and_read)
    assert table.collect(tmp_path)["v"].tolist() == [0, 1, 3, 4]


def test_the_cache_is_written_for_many_fresh_rows_only(tmp_path, reads):
    for number in range(100):
        write(tmp_path, number, row(number, v=number))
    table.collect(tmp_path)
    assert not (tmp_path / table.CACHE).exists()
    for number in range(100, 3000):
        write(tmp_path, number, row(number, v=number))
    table.collect(tmp_path)
    written = (tmp_path / table.CACHE).stat().st_mtime_ns
    for number in range(3000, 3140):  # more than 100, less than 5 %
        write(tmp_path, number, row(number, v=number))
    reads.clear()
    for again in (140, 280):
        assert len(table.collect(tmp_path)) == 3140
        assert len(reads) == again
    assert (tmp_path / table.CACHE).stat().st_mtime_ns == written
    for number in range(3140, 3200):
        write(tmp_path, number, row(number, v=number))
    table.collect(tmp_path)
    reads.clear()
    assert len(table.collect(tmp_path)) == 3200
    assert reads == []
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == [table.CACHE]


def test_a_damaged_cache_is_ignored_and_replaced(tmp_path, reads):
    for number in range(200):
        write(tmp_path, number, row(number, v=math.sqrt(number)))
    right = exactly(table.collect(tmp_path))
    cache = tmp_path / table.CACHE
    whole = cache.read_bytes()
    value, other = (struct.pack("<d", math.sqrt(number)) for number in (77, 777))
    assert whole.count(value) == 1
    flipped = whole.replace(value, other)  # all but the checksum of the page is as it should be
    for damaged in (b"", b"not parquet", whole[: len(whole) // 2], flipped):
        cache.write_bytes(damaged)
        reads.clear()
        assert exactly(table.collect(tmp_path)) == right
        assert len(reads) == 200
        assert exactly(table.collect(tmp_path)) == right
        assert len(reads) == 200


def test_a_cache_of_another_version_is_ignored(tmp_path, reads):
    for number in range(200):
        write(tmp_path, number, row(number, v=number))
    table.collect(tmp_path)
    old = parquet.read_table(tmp_path / table.CACHE)
    for label in ({"lossatlas.rows": "0"}, None):
        parquet.write_table(old.replace_schema_metadata(label), tmp_path / table.CACHE)
        reads.clear()
        assert len(table.collect(tmp_path)) == 200
        assert len(reads) == 200


def test_a_folder_that_cannot_be_written_does_without_cache(tmp_path, monkeypatch):
    for number in range(200):
        write(tmp_path, number, row(number, v=number))
    (tmp_path / table.CACHE).mkdir()
    assert len(table.collect(tmp_path)) == 200
    assert list((tmp_path / table.CACHE).iterdir()) == []
    assert len(list(tmp_path.iterdir())) == 201

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert len(table.collect(tmp_path)) == 200


def test_only_folders_with_a_row_are_runs(tmp_path):
    write(tmp_path, 0, row(0, v=0))
    write(tmp_path / ".sweeps", 1, row(1, v=1))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    hidden = tmp_path / ".hidden"
    shutil.copytree(tmp_path / "run-0000", hidden)
    os.mkdir(os.fsencode(tmp_path) + b"/copy-\xff")
    shutil.copy(tmp_path / "run-0000" / "row.json", os.fsencode(tmp_path) + b"/copy-\xff/row.json")
    assert table.collect(tmp_path)["run_id"].tolist() == ["run-0000", "copy-\\udcff"]
    assert len(store.table(tmp_path)) == 2
    with pytest.warns(UserWarning, match="1 damaged runs are left out: copy-"):
        assert len(load(tmp_path)) == 1


def test_no_runs_give_an_empty_table_with_its_columns(tmp_path):
    assert table.collect(tmp_path / "nowhere").empty
    assert load(tmp_path).empty
    assert "test_accuracy" in load(tmp_path)
