"""A report of rows alone is that of the store they came from, also where there is no torch."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lossatlas import resources
from lossatlas.analysis import arms, machines
from lossatlas.errors import UserError
from lossatlas.report import build, source, tables
from lossatlas.results import store, sweeps, travel
from report.conftest import TUNED
from report.fakes import add_run

pytestmark = pytest.mark.xdist_group("rows")  # one worker, which builds its pages once

HEAVY = ("torch", "torchvision", "pytorch_lightning", "lightning", "safetensors", "hydra")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of every state and kind, some planned by a sweep, some with a measure to be computed."""
    root = tmp_path_factory.mktemp("travel") / "runs"
    line = "loss=cross_entropy seed=0 runs=/a/folder"
    planned = [sweeps.Planned("x", {}, "class_index", "given")]
    name = sweeps.write(root, "mine", [line], planned).name
    for seed in (0, 1, 2):
        add_run(root, "cross_entropy", "clean", seed, sweep=name)
        add_run(root, "focal", "clean", seed, **{"loss.gamma": 5}, test_aurc=None)
    add_run(root, "focal", "ambiguous_pets", 0, **{"scenario.probability": 1})
    add_run(root, "crammer_singer_hinge", "clean", 1, "diverged", reason="loss is nan in epoch 3")
    add_run(root, "soft_target_kl", "ambiguous_pets", 0, "failed", reason="out of memory | \x1b[1m")
    add_run(root, "nt_xent", "clean", 0)
    add_run(root, "focal", "clean", 7, holdout=5000, test_accuracy=0.999)
    (root / store.TUNED / "quick").mkdir(parents=True)
    (root / store.TUNED / "quick" / "clean.yaml").write_text(TUNED)
    return root


@pytest.fixture(scope="module")
def file(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "rows.parquet"
    assert source.export(root, path) == (11, [])
    return path


@pytest.fixture(scope="module")
def pages(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the store's report."""
    tuned = resources.folder("conf") / "tuned"  # as the command does
    return contents(build(root, tmp_path_factory.mktemp("pages") / "r", tuned).page.parent)


def test_a_damaged_table_of_rates_is_named_and_stops_no_report(root: Path, tmp_path: Path) -> None:
    here = shutil.copytree(root, tmp_path / "runs")
    (here / store.TUNED / "quick" / "long_tail.yaml").write_text("chosen: 7")
    (here / store.TUNED / "quick" / "folder.yaml").mkdir()
    text = build(here, tmp_path / "pages").page.with_name("REPORT.md").read_text()
    assert ".tuned/quick/long\\_tail.yaml" in text or ".tuned/quick/long_tail.yaml" in text
    assert "is no plain file; no rate of it is told" in text
    count, said = source.export(here, tmp_path / "a.parquet")
    assert count == 11
    assert len(said) == 2
    assert [*source.read(tmp_path / "a.parquet").tables] == ["quick/clean.yaml"]


def test_rates_of_a_table_that_was_completed_elsewhere_are_told_with_their_trials(tmp_path):
    """A sweep finds the rates that no table has; the store's table then holds these alone."""
    tables = {}
    for place, losses in (("store", ["focal"]), ("package", ["focal", "cross_entropy"])):
        document = yaml.safe_load(TUNED)
        document["chosen"] = dict.fromkeys(losses, 0.375 if place == "store" else 1.125)
        document["said"] = dict.fromkeys(losses, place)
        document["trials"] = [one for one in document["trials"] if one["loss"] in losses]
        tables[place] = document
    here, besides = tmp_path / "runs", tmp_path / "tuned"
    for folder, place in ((here / store.TUNED, "store"), (besides, "package")):
        (folder / "quick").mkdir(parents=True)
        (folder / "quick" / "clean.yaml").write_text(yaml.safe_dump(tables[place]))
    add_run(here, "cross_entropy", "clean", 0)
    [table] = source.read(here).rates(besides).values()
    assert table["chosen"] == {"cross_entropy": 1.125, "focal": 0.375}
    assert table["said"] == {"cross_entropy": "package", "focal": "store"}
    assert [one["loss"] for one in table["trials"]] == ["cross_entropy"] * 4 + ["focal"] * 2
    tables["store"]["protocol"] = "another rule"
    (here / store.TUNED / "quick" / "clean.yaml").write_text(yaml.safe_dump(tables["store"]))
    [table] = source.read(here).rates(besides).values()
    assert set(table["chosen"]) == {"focal"}


def test_rates_of_a_table_that_came_in_two_files_are_told_of_both(tmp_path):
    for seed, loss in enumerate(["focal", "cross_entropy"]):
        document = yaml.safe_load(TUNED)
        document |= {"chosen": {loss: 0.375}, "said": {}}
        document["trials"] = [one for one in document["trials"] if one["loss"] == loss]
        made = tmp_path / loss
        (made / store.TUNED / "quick").mkdir(parents=True)
        (made / store.TUNED / "quick" / "clean.yaml").write_text(yaml.safe_dump(document))
        add_run(made, loss, "clean", seed)
        source.export(made, tmp_path / f"{loss}.parquet")
        travel.bring(tmp_path / "runs", tmp_path / f"{loss}.parquet")
    [table] = source.read(tmp_path / "runs").rates().values()
    assert table["chosen"] == {"cross_entropy": 0.375, "focal": 0.375}
    assert {one["loss"] for one in table["trials"]} == {"cross_entropy", "focal"}


@pytest.fixture
def without_torch() -> Iterator[None]:
    """Import this package anew, on a machine that has no torch."""

    def ours() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] in ("lossatlas", *HEAVY)]

    before = {name: sys.modules.pop(name) for name in ours()}
    sys.modules.update(dict.fromkeys(HEAVY))  # None: cannot be imported
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("torch")
    yield
    for name in ours():
        del sys.modules[name]
    sys.modules.update(before)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_pages_of_rows_are_those_of_the_store_without_torch(
    file, pages, tmp_path, without_torch, command
):
    shutil.copy(file, tmp_path / "rows.parquet")
    code, out, err = command("report", "--rows", "rows.parquet", "-o", "r")
    assert (code, err) == (0, "")
    assert out.endswith("index.html\n")
    found = contents(tmp_path / "r")
    assert found.keys() == pages.keys()
    for name, content in pages.items():
        assert found[name] == content, name
    kinds = ("curves", "reliability", "margins", "recall")
    assert all(f"figures/clean-{kind}.svg" in found for kind in kinds)
    markdown = found["REPORT.md"].decode()
    assert "lossatlas train -m loss=cross_entropy seed=0\n" in markdown
    assert "/a/folder" not in markdown
    assert "one epoch on 45,000 training images" in markdown
    code, out, _ = command("runs", "import", "rows.parquet")
    assert (code, out) == (0, "11 imported, 0 there already\n")
    assert command("report", "-o", "s")[0] == 0
    assert contents(tmp_path / "s") == pages
    assert "torch" not in {name for name, module in sys.modules.items() if module is not None}


def test_some_of_the_rows_give_the_pages_of_some_of_the_runs(root, file, tmp_path):
    here = contents(build(root, tmp_path / "here", only="*-clean-*-s[01]-*").page.parent)
    there = contents(build(file, tmp_path / "there", only="*-clean-*-s[01]-*").page.parent)
    assert here == there


def test_statements_are_made_again_from_rows(root, file, tmp_path, command):
    shutil.copy(file, tmp_path / "rows.parquet")
    shutil.copytree(root, tmp_path / "runs")
    for path in (tmp_path / "runs").glob("[!.]*/row.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"hardware": "another"}))
    code, out, _ = command("report", "--check", "rows.parquet", "-o", "r")
    assert code == 0
    assert "holds: `clean`" in out
    assert "rows.parquet" in (tmp_path / "r" / "REPORT.md").read_text()
    (tmp_path / "rows.parquet").write_text("run_id,state\n")
    code, _, err = command("report", "--check", "rows.parquet", "-o", "s")
    assert code == 2
    assert "rows.parquet: is no file of rows" in err
    assert not (tmp_path / "s").exists()


def brought(root: Path, elsewhere: Path, path: Path) -> None:
    source.export(elsewhere, path)
    travel.bring(root, path)


def test_of_a_run_of_two_machines_one_counts_and_the_spread_is_told(tmp_path):
    root, other = tmp_path / "runs", tmp_path / "other"
    for seed in (0, 1, 2):
        add_run(root, "cross_entropy", "clean", seed, test_accuracy=0.70 + seed / 100)
        add_run(root, "focal", "clean", seed)
    late = {"hardware": "another", "started": 1_800_000_000.0}
    for seed, accuracy in ((0, 0.72), (1, 0.70), (5, 0.8)):
        add_run(other, "cross_entropy", "clean", seed, test_accuracy=accuracy, **late)
    brought(root, other, tmp_path / "a.parquet")
    read = source.read(root)
    assert len(read.rows) == 9
    [condition] = arms.conditions(read.rows, [])
    [entropy] = [arm for arm in condition.arms if arm.loss == "cross_entropy"]
    assert entropy.by_seed("test_accuracy") == pytest.approx({0: 0.7, 1: 0.71, 2: 0.72, 5: 0.8})
    assert [row["test_accuracy"] for row in entropy.elsewhere] == [0.72, 0.70]
    assert condition.replaced == 0
    [one] = machines.between([(condition, arms.results(condition))])
    assert one.arm.loss == "cross_entropy"
    assert {name: (c.n, round(c.mean or 0, 4)) for name, c in one.cells.items()} == {
        "a processor": (3, 0.71), "another": (3, 0.74),
    }  # fmt: skip
    assert one.runs == 2
    assert one.apart == pytest.approx(0.02)
    assert one.sd == pytest.approx(((0.02**2 / 2 + 0.01**2 / 2) / 2) ** 0.5)
    told = tables.machines_table([one])
    assert told is not None
    assert [cell["text"] for cell in told["rows"][0][1:]] == [
        "71.00 (n=3): a processor; 74.00 (n=3): another", "2", "1.12", "2.00",
    ]  # fmt: skip
    page = build(root, tmp_path / "out").page.parent
    text = (page / "REPORT.md").read_text()
    assert "### Between machines\n" in text
    assert "\n7 runs in 9 rows, as several machines have made some, started " in text
    assert (page / "results.csv").read_text().count("cross_entropy-clean-quick-s0") == 2
    again = tmp_path / "both.parquet"
    source.export(root, again)
    assert contents(build(again, tmp_path / "rows").page.parent) == contents(page)


def test_runs_of_one_machine_have_no_spread_between_machines(root):
    conditions = arms.conditions(source.read(root).rows, [])
    assert machines.between([(c, arms.results(c)) for c in conditions]) == []
    assert tables.machines_table([]) is None


def test_epochs_of_two_machines_are_not_mixed(tmp_path):
    root, other = tmp_path / "runs", tmp_path / "other"
    add_run(root, "focal", "clean", 0)
    add_run(other, "focal", "clean", 0, hardware="another")
    text = next(other.glob("*/epochs.jsonl"))
    text.write_text(text.read_text().replace('"lr": 0.1', '"lr": 0.9'))
    brought(root, other, tmp_path / "a.parquet")
    read = source.read(root)
    rates = {row["hardware"]: read.epochs(row)[0]["lr"] for row in read.rows}
    assert rates == {"a processor": 0.1, "another": 0.9}


def test_a_file_without_what_is_asked_for_is_one_sentence(file, tmp_path):
    for more, said in (
        ({"only": "nothing"}, "holds no runs to report with --only 'nothing'"),
        ({"sweep": "mine"}, "a file of rows has no plans"),
        ({"metric": "nll_ts"}, "no run of .*rows.parquet has it"),
    ):
        with pytest.raises(UserError, match=said):
            build(file, tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def test_a_sweep_that_is_not_finished_says_how_far_it_is(root: Path, tmp_path: Path) -> None:
    here = shutil.copytree(root, tmp_path / "runs")
    ended = sorted(path.parent.name for path in here.glob("cross_entropy-*/row.json"))
    plan = [sweeps.Planned(name, {}, "class_index", "given") for name in (*ended, "a-s0", "b-s0")]
    name = sweeps.write(here, "half", ["loss=cross_entropy"], plan).name
    said = f"**Not finished:** {len(ended)} of the {len(ended) + 2} runs that were planned"
    source.export(here, tmp_path / "a.parquet", sweep=name)
    for place, sweep in ((here, name), (tmp_path / "a.parquet", None)):
        text = build(place, tmp_path / "pages", sweep=sweep).page.with_name("REPORT.md").read_text()
        assert said in text
    sweeps.write(here, "whole", ["loss=cross_entropy"], plan[:-2])
    text = build(here, tmp_path / "p", sweep="whole").page.with_name("REPORT.md").read_text()
    assert "Not finished" not in text


def test_several_sweeps_are_one_report(root: Path, tmp_path: Path, command) -> None:
    here = shutil.copytree(root, tmp_path / "runs")
    one, two, *_ = sorted(path.parent.name for path in here.glob("*/row.json"))
    for name, ids in (("first", [one, "a-s0"]), ("second", [one, two, "b-s0"])):
        plan = [sweeps.Planned(run, {}, "class_index", "given") for run in ids]
        sweeps.write(here, name, [f"loss={name}"], plan)
    asked = ("--runs", str(here), "--sweep", "first,second")
    code, said, _ = command("runs", "export", str(tmp_path / "a.parquet"), *asked)
    assert (code, said[:6]) == (0, "2 rows")
    kept = travel.read(tmp_path / "a.parquet")
    assert {run.row["run_id"] for run in kept.runs} == {one, two}
    assert kept.unmade == 2
    names = kept.sweep.split(",")
    assert [name.rpartition("-")[0] for name in names] == ["first", "second"]
    assert list(kept.commands) == names
    for place, sweep in ((here, "first,second"), (tmp_path / "a.parquet", None)):
        text = build(place, tmp_path / "pages", sweep=sweep).page.with_name("REPORT.md").read_text()
        assert "2 of the 4 runs that were planned" in text
    code, _, said = command("report", "--runs", str(here), "--sweep", "first,third")
    assert (code, "there is no sweep 'third'" in said) == (2, True)
