"""A sweep makes what is missing, goes on past failures, and tells how it ended."""

import re
import time

import pytest
from rich.console import Console

from lossatlas import results
from lossatlas.results import progress, store, sweeps
from lossatlas.training import config
from lossatlas.training.watch import Watch
from rows import whole
from training.commands import TINY


def test_a_sweep_with_a_failing_loss_keeps_the_rest_and_resumes(command, tmp_path, own_loss):
    own_loss("broken", "raise RuntimeError('out of luck')")
    config.register_configs()
    arguments = ["train", "-m", *TINY, "loss=cross_entropy,broken", "seed=0,1"]
    code, _, err = command(*arguments)
    assert code == 1, err
    assert "4 runs" in err
    assert "0 finished, 4 to do; 4 of a kind not measured yet" in err
    assert "failed: RuntimeError: out of luck" in err
    assert "4 of 4 runs" in err
    runs = tmp_path / "runs"
    table = results.load(runs).set_index(["loss", "seed"])
    assert dict(table["state"]) == {
        ("broken", 0): "failed", ("broken", 1): "failed",
        ("cross_entropy", 0): "done", ("cross_entropy", 1): "done",
    }  # fmt: skip
    stamps = {p: p.stat().st_mtime_ns for p in runs.glob("cross_entropy*/row.json")}
    own_loss(
        "broken", "return torch.logsumexp(logits, 1) - logits.gather(1, target[:, None])[:, 0]"
    )
    code, _, err = command(*arguments)
    assert code == 0, err
    assert re.search(r"2 finished, 2 to do; about .* left with \d at once", err)
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    done = results.load(runs).query("state == 'done'")
    assert sorted(zip(done["loss"], done["seed"], strict=True)) == [
        ("broken", 0), ("broken", 1), ("cross_entropy", 0), ("cross_entropy", 1),
    ]  # fmt: skip


def test_a_named_study_is_a_list_of_products(command, tmp_path):
    words = [*TINY, "loss=cross_entropy", "seed=0", "recipe.lr=0.375"]
    code, _, err = command("train", "-m", "sweep=lecture", *words)
    assert code == 0, err
    # of three lines; the first, of the embedder, became a run of the second
    assert "4 runs" in err
    table = results.load(tmp_path / "runs")
    assert sorted(zip(table["scenario"], table["scenario.probability"].fillna(0), strict=True)) == [
        ("ambiguous_pets", 0.25), ("ambiguous_pets", 0.5), ("ambiguous_pets", 0.75), ("clean", 0),
    ]  # fmt: skip
    assert "4 of 4 runs" in err


def test_a_wrong_value_stops_a_sweep_before_it_starts(command, tmp_path):
    code, _, err = command("train", "-m", *TINY, "loss=focal", "loss.gamma=1,-1")
    assert code == 2
    assert err == "lossatlas: focal: gamma must be a number in [0, inf), not -1.0\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("many", [[], ["-m"]])
def test_a_store_that_cannot_be_written_is_one_sentence(many, command, tmp_path, monkeypatch):
    monkeypatch.setattr("lossatlas.training.pool.prepare", lambda _: None)
    file = tmp_path / ("long" * 50) / "file"
    file.parent.mkdir()
    file.touch()
    code, out, err = command("train", *many, *TINY, f"runs={file / 'runs'}")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"lossatlas: runs '{file / 'runs'}'")
    assert f"{file} is not a folder" in err
    assert "Traceback" not in err


def test_the_watch_says_how_far_it_is_and_what_is_left(tmp_path, monkeypatch):
    conf = {
        "loss": {"name": "ce"}, "recipe": {"name": "quick", "epochs": 3, "batch_size": 64},
        "model": {"name": "m"}, "data": {"name": "d"}, "holdout": 0, "threads": 1,
    }  # fmt: skip
    row = {
        "loss": "ce", "recipe": "quick", "batch_size": 64, "model": "m", "data": "d",
        "target": "class_index", "holdout": 0, "threads": 1, "epochs": 3, "wall_s": 30.0,
    }  # fmt: skip
    plan = [sweeps.Planned(f"ce-clean-quick-s{i}-0", conf, "class_index", "") for i in range(4)]
    watch = Watch(tmp_path, plan, 2, progress.Costs(), Console(stderr=True))
    monkeypatch.setattr("time.monotonic", lambda: watch._begin + 40)
    assert watch.line() == "0 of 4 runs, 40 s, time left unknown yet"
    (tmp_path / plan[0].run_id).mkdir()
    store.write_json(tmp_path / plan[0].run_id / "row.json", whole(plan[0].run_id) | row)
    # no worker is seen at work: two will be
    assert watch.line() == "1 of 4 runs, 40 s, about 45 s left"
    with store.workshop(tmp_path, plan[1].run_id) as lease:
        store.append_line(lease.folder / "epochs.jsonl", {"epoch": 1, "seconds": 2.0})
        # one is seen at work: 20 s are left of its run, 30 s of each of the two that wait
        assert watch.line() == "1 of 4 runs, 40 s, about 80 s left | now: ce-clean-quick-s1 1/3"
        assert watch.made() == (3, 1)


def plan_of(command, *arguments):
    code, out, err = command("train", "-m", *TINY, *arguments, "--plan")
    assert (code, err) == (0, "")
    return out.splitlines()


def test_a_plan_shows_states_and_costs_and_starts_nothing(command, tmp_path):
    lines = plan_of(command, "loss=focal,mae", "seed=0,1")
    assert [line.split()[0] for line in lines[:4]] == ["planned"] * 4
    assert {line.split()[-1] for line in lines[:4]} == {"?"}
    assert lines[4] == "4 planned; 4 of a kind not measured yet"
    assert not (tmp_path / "runs").exists()
    command("train", *TINY, "loss=focal", "progress=false")
    row = results.load(tmp_path / "runs").iloc[0]
    lines = plan_of(command, "loss=focal,mae", "seed=0,1", "launcher.workers=3")
    assert lines[0].startswith(f"done     {row['run_id']} ")
    assert "test accuracy" in lines[0]
    each = progress.duration(row["wall_s"])
    assert all(line.endswith(f"  {each}") for line in lines[1:4])
    whole = progress.duration(3 * row["wall_s"] / 3)
    assert lines[4] == f"1 done, 3 planned; about {whole} left with 3 at once"


def test_failed_and_diverged_runs_are_made_again_only_when_told(command, tmp_path, own_loss):
    own_loss("broken", "raise RuntimeError('out of luck')")
    config.register_configs()
    arguments = ("train", "-m", *TINY, "loss=broken,focal", "recipe.lr=0.1,1e30")
    assert command(*arguments)[0] == 1
    table = results.load(tmp_path / "runs").set_index(["loss", "lr"])
    assert table["state"].to_dict() == {
        ("broken", 0.1): "failed", ("broken", 1e30): "failed",
        ("focal", 0.1): "done", ("focal", 1e30): "diverged",
    }  # fmt: skip
    stamp = table["started"]

    def made_again(*options):
        assert command(*arguments, *options)[0] in (0, 1)
        rows = results.load(tmp_path / "runs").set_index(["loss", "lr"])
        made = {key for key in rows.index if rows["started"][key] != stamp[key]}
        stamp.update(rows["started"])
        return made

    time.sleep(1.1)  # the row has whole seconds
    code, _, err = command(*arguments)
    assert code == 0
    assert "4 finished (2 failed; --retry failed makes them again), 0 to do" in err
    assert made_again() == set()
    assert made_again("--retry", "failed", "--since", "2099-01-01") == set()
    assert made_again("--retry", "failed", "--only", "focal*") == set()
    assert made_again("--retry", "diverged", "--since", "1h") == {("focal", 1e30)}
    time.sleep(1.1)
    lines = plan_of(command, *arguments[2:], "--retry", "failed")
    assert [" again " in line for line in lines[:4]] == [True, True, False, False]
    both = {("broken", 0.1), ("broken", 1e30)}
    assert made_again("--retry", "failed,diverged") == {*both, ("focal", 1e30)}


def test_a_sweep_is_a_file_that_can_be_run_again(command, tmp_path):
    terms = "loss.terms='focal(gamma=1) + mae'"
    arguments = [*TINY, "loss=sum", terms, "seed=0,1"]
    assert command("train", "-m", *arguments)[0] == 0
    (folder,) = sweeps.folders(tmp_path / "runs")
    assert folder.name.startswith("sweep-")
    kept = tmp_path / "my study.yaml"
    kept.write_text((folder / "sweep.yaml").read_text())
    code, out, err = command("train", "-m", f"sweep={kept}")
    assert (code, out) == (0, "")
    assert "2 runs" in err
    assert "2 finished, 0 to do" in err
    again = sweeps.folders(tmp_path / "runs")[-1]
    assert again.name == f"my study-{folder.name.partition('-')[2]}"
    assert sweeps.ids(again) == sweeps.ids(folder)
    code, out, err = command("runs", "--sweep", "my study")
    assert (code, out.splitlines()[-1]) == (0, f"sweep {again.name}: 2 done")


# Each line stands for four times the line before.
BOMB = "a: &a [1, 1]\n" + "".join(
    f"{k}: &{k} [*{j}, *{j}, *{j}, *{j}]\n"
    for j, k in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "s.yaml: no such file"),
        ("grids: [", "s.yaml, line 1: not YAML"),
        ("grids: [sweep=tune]", "a line names another sweep"),
        ("grids: ['seed=range(0,1e12)']", "a sweep may have 100,000 runs, and this one has more"),
        ("grids: ['seed=range(3,0)']", "'seed=range(3,0)' gives no value; legal: a list"),
        ("grids: ['seed=range(0,3,0)']", "'seed=range(0,3,0)' gives no value"),
        (BOMB, "unfolds to more than"),
        ("grids: " + "[" * 1000, "is nested deeper"),
        ("runs: 3", "field 'grids' must be a list of lines like 'loss=focal seed=0'"),
        ("grids: []", "field 'grids' must be a list of lines"),
        ("grids: [3]", "field 'grids' must be a list of lines"),
        ("grids: [loss=fokal]", "there is no loss 'fokal'"),
        ("grids: ['loss=\"a']", "a line cannot be read (No closing quotation)"),
    ],
)
def test_a_wrong_file_is_one_sentence(text, says, command, tmp_path):
    if text is not None:
        (tmp_path / "s.yaml").write_text(text)
    code, out, err = command("train", "-m", "sweep=s.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: ")
    assert says in err
    assert "Error" not in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--plan"], "--plan is for sweeps; give -m as well"),
        (["--retry", "failed"], "--retry is for sweeps; give -m as well"),
        (["sweep=x.yaml"], "sweep=x.yaml is for sweeps; give -m as well"),
        (["-m", "--retry", "done"], "--retry takes failed and diverged, not 'done'"),
        (["-m", "--since", "yesterday"], "--since takes 90m, 2h, 3d or 2026-11-24T18:30, not"),
        (["-m", "--only", "x*"], "no run of the sweep fits 'x*'"),
        (["-m", "launcher=slurm", "launcher.workers=none"], "launcher.workers: Value 'none'"),
        (["-m", "launcher=cloud"], "there is no launcher 'cloud'; legal: local, slurm"),
        (["-m", "launcher.workers=0"], "launcher.workers must be a whole number in [1, 1024] or"),
        (["-m", "launcher.name=x"], "launcher.name must be one of local, slurm, not 'x'"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, says, command, tmp_path):
    code, out, err = command("train", *TINY, *options)
    assert (code, out) == (2, "")
    assert err.startswith("lossatlas: ")
    assert says in err
    assert "Error" not in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
