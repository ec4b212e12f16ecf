"""A run that was cut off goes on from the epochs that journal and checkpoint both confirm."""

import json
import os

import pytest

from lossatlas.results import store
from lossatlas.training import run


@pytest.fixture
def cut_off(cut):
    """A run cut off after its second epoch: its configuration and working folder."""
    return cut("recipe.epochs=4")


def other_seconds(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | {"seconds": 999.0}) + "\n" for line in lines))


def third_line(path):
    last = json.loads(path.read_text().splitlines()[-1])
    store.append_line(path, last | {"epoch": 3, "seconds": 999.0})


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        pytest.param(lambda p: None, True, id="whole"),
        pytest.param(third_line, True, id="more than the checkpoint has"),
        pytest.param(lambda p: p.open("a").write('{"epoch": 3, "se'), True, id="half a line"),
        pytest.param(lambda p: p.write_text("5\n"), False, id="no mapping"),
        pytest.param(lambda p: p.unlink(), False, id="missing"),
        pytest.param(lambda p: p.write_bytes(p.read_bytes()[:-100]), False, id="cut"),
        pytest.param(other_seconds, False, id="other times"),
        pytest.param(lambda p: (p.unlink(), p.mkdir()), False, id="folder"),
        pytest.param(lambda p: (p.unlink(), os.mkfifo(p)), False, id="fifo"),
        pytest.param(lambda p: (p.unlink(), p.symlink_to(p)), False, id="loop"),
    ],
)
def test_damaged_epochs_beside_a_whole_checkpoint(damage, kept, cut_off, capsys):
    cfg, folder = cut_off
    before = store.read_epochs(folder)
    assert [epoch["epoch"] for epoch in before] == [1, 2]
    damage(folder / "epochs.jsonl")
    row = run.execute(cfg)
    assert row["state"] == "done", row["reason"]
    epochs = store.read_epochs(store.runs_dir() / row["run_id"])
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    assert (epochs[:2] == before) == kept
    assert ("damaged; the run goes on" in capsys.readouterr().out) != kept
    assert row["train_s"] == round(sum(epoch["seconds"] for epoch in epochs), 2) < 400
    assert row["train_s"] <= row["wall_s"] < 400
    text = (store.runs_dir() / row["run_id"] / "epochs.jsonl").read_text()
    assert len(text.splitlines()) == 4
