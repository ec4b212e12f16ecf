"""Rows that travel: what is written is read, two machines stay two, and nothing stands for a run
that is not here."""

import json
import os
import random
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from lossatlas.errors import UserError
from lossatlas.results import load, load_epochs, progress, store, sweeps, table, travel
from lossatlas.results.files import Damaged
from rows import whole
from training.commands import TINY

ID = "cross_entropy-clean-quick-s0-00000000000a"
A = {"hardware": "A, 2 cores", "cpu": "a", "cpu_capability": "AVX2", "started": 5, "wall_s": 7.5}
B = A | {"hardware": "B, 8 cores"}
EPOCHS = [{"epoch": 1, "seconds": 2.0, "lr": 0.1}, {"epoch": 2, "seconds": 2.5, "lr": 0.0}]
CONFIG = {"config.recipe.warmup": 0.25, "config.model.widths": [8, 16]}
PLANNED = {
    "loss": {"name": "cross_entropy"}, "recipe": {"name": "quick", "epochs": 3, "batch_size": 9},
    "model": {"name": "m"}, "data": {"name": "d"}, "holdout": 0, "threads": 1,
}  # fmt: skip
TABLE = {
    "recipe": "quick", "scenario": "clean", "model": "m", "data": "d", "protocol": "p",
    "chosen": {"focal": 0.375}, "said": {}, "trials": [],
}  # fmt: skip
RATES = {"quick/clean.yaml": TABLE}
DRAWN = {
    "confidence": [0.5], "accuracy": [1 / 3], "margins": [0.1] * 51, "spread": 1.5,
    "recall": [0.5, float("nan")], "classes": ["a", "b"],
}  # fmt: skip


def run(run_id: str = ID, **fields: object) -> travel.Run:
    return travel.run(whole(run_id, **(A | fields)), EPOCHS, CONFIG, DRAWN)


def written(path: Path, *runs: travel.Run) -> Path:
    travel.write(
        path, travel.Rows(list(runs) or [run()], "s-1", {"s-1": ["lossatlas train"]}, RATES)
    )
    return path


def add(root: Path, run_id: str = ID, **fields: object) -> Path:
    """A finished run of the store."""
    folder = root / run_id
    folder.mkdir(parents=True)
    store.write_json(folder / "row.json", whole(run_id, **(A | fields)))
    for epoch in EPOCHS:
        store.append_line(folder / "epochs.jsonl", epoch)
    return folder


def test_what_is_written_is_read_exactly(tmp_path):
    odd = {
        "loss.k": 5,
        "loss.terms": "Größe \u2028 \x07",
        "reason": None,
        "x": 2**70,
        "y": [1, None],
    }
    runs = [run(**odd), run(ID[:-1] + "b", **{"loss.k": 5.0, "y": True})]
    found = travel.read(written(tmp_path / "a.parquet", *runs))
    assert found.runs == runs
    assert [[type(v) for v in one.row.values()] for one in found.runs] == [
        [type(one.row[key]) for key in two.row] for one, two in zip(runs, found.runs, strict=True)
    ]
    assert found.runs[0].epochs == EPOCHS
    assert found.runs[0].config == CONFIG
    assert str(found.runs[0].drawn) == str(DRAWN)
    assert found.rates == RATES
    assert (found.sweep, found.commands) == ("s-1", {"s-1": ["lossatlas train"]})
    content = (tmp_path / "a.parquet").read_bytes()
    assert written(tmp_path / "b.parquet", *found.runs).read_bytes() == content
    assert set(pd.read_parquet(tmp_path / "a.parquet")["loss"]) == {"cross_entropy"}


def test_a_row_of_another_machine_stands_for_no_run_here(tmp_path, command):
    root = tmp_path / "runs"
    add(root)
    plan = [sweeps.Planned(name, PLANNED, "class_index", "given") for name in (ID, ID[:-1] + "b")]
    sweep = sweeps.write(root, "two", ["seed=0"], plan).name
    others = [run(**B), run(ID[:-1] + "b", **B)]
    assert travel.bring(root, written(tmp_path / "a.parquet", *others)) == (2, 0)
    assert not store.is_finished(root, ID[:-1] + "b")
    members = progress.members(sweeps.read(root / ".sweeps" / sweep), store.table(root))
    assert [m.state for m in members] == ["done", "planned"]
    assert store.table(root)["run_id"].tolist() == [ID]

    found = load(root)
    assert found["run_id"].tolist() == [ID, ID, ID[:-1] + "b"]
    assert found["machine"].tolist() == ["A, 2 cores (a; AVX2)", *["B, 8 cores (a; AVX2)"] * 2]
    assert len(load_epochs(root)) == 6
    code, out, _ = command("runs", "--sweep", "two")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[:4]] == ["done", "planned", "done", "done"]
    assert "1 done, 1 planned, 2 imported\n" in out
    code, out, err = command("runs", "--only", f"*{ID[-3:]}")
    assert (code, err) == (0, "")
    assert out.count("imported, from B, 8 cores (a; AVX2)\n") == 1
    assert "1 done, 1 imported\n" in out


def test_a_plan_says_what_other_machines_have_made_of_it(tmp_path, command):
    asked = ("train", "-m", *TINY, "seed=0,1,2", "--plan")
    ids = [line.split()[1] for line in command(*asked)[1].splitlines()[:3]]
    travel.bring(tmp_path / "runs", written(tmp_path / "b.parquet", *map(run, [ID, *ids[:2]])))
    code, out, _ = command(*asked)
    assert code == 0
    assert out.count("planned") == 4  # the runs, and their number
    assert out.endswith("\n2 of those to be made are there from other machines\n")


def test_what_a_store_has_is_not_imported_again(tmp_path):
    root, file = tmp_path / "runs", tmp_path / "a.parquet"
    add(root)
    written(file, run(test_accuracy=0.5), run(**B))  # the first is the run that is here
    assert travel.bring(root, file) == (1, 1)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert travel.bring(root, file) == (0, 2)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    later = run(**B | {"started": 6})  # made once more, on the same kind of machine
    assert travel.bring(root, written(tmp_path / "b.parquet", run(**B), later)) == (1, 1)
    assert len(load(root)) == 3
    (root / travel.IMPORTED / "copy.parquet").write_bytes(file.read_bytes())  # a race's doing
    assert len(load(root)) == 3


def test_a_run_that_was_adopted_is_the_run_that_it_was(tmp_path):
    before = ID.replace("a", "b"), ID.replace("a", "c")
    path = written(tmp_path / "rows.parquet", run(before[1]))
    add(tmp_path / "runs", adopted_from=" ".join(before))
    assert travel.bring(tmp_path / "runs", path) == (0, 1)
    other = written(tmp_path / "other.parquet", run(before[1], started=6), run(before[0]))
    assert travel.bring(tmp_path / "runs", other) == (2, 0)
    twice = written(tmp_path / "twice.parquet", run(before[1]), run(adopted_from=before[1]))
    with pytest.raises(Damaged, match="holds a run twice"):
        travel.read(twice)


def test_a_damaged_import_is_named_and_stops_no_other(tmp_path, command):
    root = tmp_path / "runs"
    travel.bring(root, written(tmp_path / "a.parquet"))
    [kept] = (root / travel.IMPORTED).iterdir()
    travel.bring(root, written(tmp_path / "b.parquet", run(**B)))
    kept.write_bytes(kept.read_bytes()[:-30])
    with pytest.warns(UserWarning, match=f"1 damaged runs .*{kept.name}: is no file of rows"):
        assert load(root)["hardware"].tolist() == ["B, 8 cores"]
    code, out, _ = command("runs")
    assert code == 0
    assert f"damaged  .imported/{kept.name}" in out
    assert out.endswith("1 damaged, 1 imported\n")


def foreign(path: Path) -> None:
    pd.DataFrame({"loss": ["x"]}).to_parquet(path)


def newer(path: Path) -> None:
    travel.VERSION, before = 2, travel.VERSION
    try:
        written(path)
    finally:
        travel.VERSION = before


def changed(path: Path) -> None:
    """Its metadata are ours, what it holds is not."""
    written(path)
    parquet.write_table(parquet.read_table(path), path)


def illegal(**fields: object):
    return lambda path: written(path, run(**fields))


def beside(number: int, text: bytes):
    def make(path: Path) -> None:
        texts = list(run().written)
        texts[number] = text
        written(path, run()._replace(written=tuple(texts)))

    return make


def sealed(**changes: object):
    """A file that is as it was written, by somebody who knows how."""

    def make(path: Path) -> None:
        found = parquet.read_table(written(path))
        for name, value in changes.items():
            if name in ("sweep", "commands", "rates"):
                told = found.schema.metadata | {name.encode(): value}
                found = found.replace_schema_metadata(told)
            else:
                found = found.drop_columns([f".{name}"])
                if value is not False:
                    found = found.append_column(f".{name}", pa.array([value]))
        path.write_bytes(table.sealed(found))

    return make


DOES_NOT_HOLD = "is damaged: it does not hold what files of rows hold"
BAD = {
    "no epochs": (sealed(epochs=False), DOES_NOT_HOLD),
    "null": (sealed(epochs=pa.scalar(None, pa.binary())), DOES_NOT_HOLD),
    "number": (sealed(drawn=1.5), DOES_NOT_HOLD),
    "deep": (sealed(commands=b"[" * 100_000), DOES_NOT_HOLD),
    "commands": (sealed(commands=b"[]"), "its metadata: field 'commands' is [], but must be"),
    "rates": (sealed(rates=b'{"a/b": {}}'), "its metadata: field 'rates.a/b.recipe' is missing"),
    "sweep": (sealed(sweep=b"7"), "its metadata: field 'sweep' is 7, but must be a valid string"),
    "missing": (lambda path: None, "there is no such file"),
    "empty": (lambda path: path.write_bytes(b""), "is no file of rows that"),
    "text": (lambda path: path.write_text("run_id,loss\n"), "is no file of rows that"),
    "folder": (lambda path: path.mkdir(), "a.parquet: is "),
    "huge": (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 2**40), "is larger"),
    "long": (illegal(run_id="x" * 300), "must be the name of a folder"),
    "foreign": (foreign, "is no file of rows that 'lossatlas runs export' wrote"),
    "newer": (newer, "has version 2 of files of rows; this lossatlas reads version 1"),
    "changed": (changed, "is damaged: it does not hold what was written"),
    "state": (illegal(state="planned"), "row 1: field 'state' is 'planned', but"),
    "share": (illegal(test_accuracy=2.0), "row 1: field 'test_accuracy' is 2.0, but"),
    "id": (illegal(run_id="../x"), "row 1: field 'run_id' is '../x', but must be the name"),
    "control": (illegal(run_id="a\x1bb"), "row 1: field 'run_id' is 'a\\x1bb', not all of it"),
    "epochs": (beside(0, b"[{}]"), f"row 1 ({ID}), epochs: field 'epochs.0.epoch' is missing"),
    "order": (beside(0, json.dumps(EPOCHS[1:]).encode()), "epochs: field 'epochs' is"),
    "config": (beside(1, b"[]"), "config: is no mapping"),
    "drawn": (beside(2, b'{"margins": []}'), "drawn: field 'confidence' is missing"),
    "twice": (lambda path: written(path, run(), run()), "holds a run twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence_and_nothing_is_written(name, tmp_path, command):
    make, said = BAD[name]
    make(tmp_path / "a.parquet")
    for arguments in (["runs", "import", "a.parquet"], ["report", "--rows", "a.parquet"]):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert said in err
        assert "a.parquet: " in err
        assert len(err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"][: name != "missing"]


def test_whatever_is_done_to_a_file_is_noticed(tmp_path):
    content = written(tmp_path / "a.parquet").read_bytes()
    r = random.Random(0)
    for _ in range(300):
        bad = bytearray(content)
        at = r.randrange(len(bad))
        if r.random() < 0.3:
            del bad[at : at + r.choice([1, 50, 10**6])]
        else:
            bad[at] ^= 1 << r.randrange(8)
        (tmp_path / "b.parquet").write_bytes(bad)
        with pytest.raises(
            Damaged, match=r"b\.parquet: (is no file of rows|is damaged|has version)"
        ):
            travel.read(tmp_path / "b.parquet")


WRONG = [
    (["runs", "export", "a.csv"], "a.csv: a file of rows is called *.parquet"),
    (["runs", "import", "a.csv"], "a.csv: a file of rows is called *.parquet"),
    (["report", "--rows", "a.csv"], "a.csv: a file of rows is called *.parquet"),
    (["report", "--rows", "a.parquet", "--runs", "runs"], "--rows takes the place of --runs"),
    (["report", "--rows", "ours.parquet", "--sweep", "x"], "a file of rows has no plans"),
    (["runs", "export", "no/a.parquet"], "no/a.parquet: cannot be written (No such file or"),
    (["runs", "export", "taken.parquet"], "taken.parquet: is no file of rows that 'lossatlas runs "
     "export' wrote; it is left as it is: give another name"),
    (["runs", "export", "runs/x.parquet", "--only", "nothing"], "no runs to report with --only"),
    (["runs", "--state", "done", "export", "a.parquet"], "--state is no option of 'runs export'"),
    (["runs", "--sweep", "x", "import", "a.parquet"], "--sweep is no option of 'runs import'"),
    (["runs", "--runs", "nowhere", "export", "a.parquet"], "nowhere: there is no such folder"),
    (["runs", "export", "--sweep", "x", "a.parquet"], "there is no sweep 'x'"),
    (["runs", "--runs", "taken.parquet", "import", "ours.parquet"], "parquet is not a folder"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=lambda v: " ".join(v)[:40])
def test_a_mistake_is_one_sentence_and_nothing_is_written(arguments, said, tmp_path, command):
    add(tmp_path / "runs")
    (tmp_path / "taken.parquet").write_text("mine")
    written(tmp_path / "ours.parquet")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_cannot_be_written_is_refused(tmp_path, command, monkeypatch):
    add(tmp_path / "runs")

    def full(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = command("runs", "export", "a.parquet")
    assert (code, err) == (2, "lossatlas: a.parquet: cannot be written (No space left on device)\n")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_export_writes_what_has_ended_and_says_what_it_leaves(tmp_path, command):
    root = tmp_path / "runs"
    add(root)
    add(root, ID[:-1] + "b", state="failed", reason="out of memory", holdout=5000)
    waiting = root / ".running" / (ID[:-1] + "c")
    waiting.mkdir(parents=True)
    (add(root, ID[:-1] + "d") / "row.json").write_text("{")
    (add(root, ID[:-1] + "e", seed=1) / "epochs.jsonl").write_text('{"epoch": 1}\n')
    travel.bring(root, written(tmp_path / "b.parquet", run(**B)))
    code, out, err = command("runs", "export", "a.parquet")
    assert (code, out) == (0, "4 rows in a.parquet\n")
    assert sorted(line.split(":")[1].split("/")[-1].strip() for line in err.splitlines()) == [
        ID[:-1] + "c", ID[:-1] + "d", "epochs.jsonl",
    ]  # fmt: skip
    found = load("a.parquet")
    assert found["run_id"].tolist() == [ID, ID, ID[:-1] + "b", ID[:-1] + "e"]
    assert load_epochs("a.parquet")["run_id"].tolist() == [*[ID] * 4, *[ID[:-1] + "b"] * 2]
    assert command("runs", "export", "a.parquet", "--only", "*b")[1] == "1 row in a.parquet\n"


def test_a_store_is_what_its_file_brings_back(tmp_path, command):
    for root, fields in (("one", A), ("two", B)):
        add(tmp_path / root, **fields)
        assert command("runs", "--runs", root, "export", f"{root}.parquet")[0] == 0
        assert command("runs", "import", f"{root}.parquet")[1] == "1 imported, 0 there already\n"
    assert command("runs", "export", "both.parquet")[1] == "2 rows in both.parquet\n"
    shutil.rmtree(tmp_path / "runs")
    assert command("runs", "import", "both.parquet")[1] == "2 imported, 0 there already\n"
    pd.testing.assert_frame_equal(load(), load("both.parquet"))
    assert load()["hardware"].tolist() == ["A, 2 cores", "B, 8 cores"]


def test_the_cache_is_sealed_in_the_same_way(tmp_path):
    content = memoryview(table.sealed(pa.table({"a": [1]})))
    assert table.is_whole(content)
    assert not table.is_whole(content[:-1])
    assert not table.is_whole(memoryview(b""))


def test_a_stranger_at_the_target_may_be_no_parquet_folder(tmp_path):
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(UserError, match="is no plain file; it is left as it is"):
        written(tmp_path / "a.parquet")
