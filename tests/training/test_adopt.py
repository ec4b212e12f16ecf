"""`lossatlas runs adopt`: finished runs outlive a refactoring of their loss, and nothing else."""

import json
import re
import shutil

import pytest

from lossatlas import results
from lossatlas.results import store
from lossatlas.results.table import read_row
from lossatlas.training import adopt, identity, run
from lossatlas.training.config import resolve

LOSS = (
    "scaled = 2 * logits\n        return torch.logsumexp(scaled, 1) - "
    "scaled.gather(1, target[:, None])[:, 0]"
)


@pytest.fixture
def made(make_cfg, own_loss, tmp_path):
    """A run of a loss of a user's own: its id, its row, and what makes it known as edited."""
    own_loss("mine", LOSS)
    row = run.execute(make_cfg("loss=mine", "recipe.epochs=1"))
    assert row["state"] == "done", row["reason"]

    def edited(text):
        """The outcomes after an edit, and the id that the run has then."""
        own_loss("mine", text)
        new = identity.place(resolve(make_cfg("loss=mine", "recipe.epochs=1")))[1]
        return list(adopt.adopt(tmp_path / "runs")), new

    return row, edited


def test_a_renamed_variable_is_adopted_and_its_row_says_so(made, make_cfg, tmp_path):
    row, edited = made
    old, root = row["run_id"], tmp_path / "runs"
    before = {p.name: p.read_bytes() for p in (root / old).iterdir()}
    outcomes, new = edited(LOSS.replace("scaled", "s"))
    assert new != old
    assert outcomes == [adopt.Outcome(old, "adopted", f"as {new}")]
    after = {p.name: p.read_bytes() for p in (root / new).iterdir()}
    assert not (root / old).exists()
    assert after.keys() == before.keys()
    assert {n for n in after if after[n] != before[n]} == {"row.json", "start.json"}
    fresh = read_row(root / new)
    assert fresh["adopted_from"] == old
    assert {k for k in fresh if fresh[k] != row.get(k)} == {"run_id", "source", "adopted_from"}
    assert json.loads(after["start.json"])["run_id"] == new
    assert run.execute(make_cfg("loss=mine", "recipe.epochs=1")) == fresh  # nothing is made again
    assert list(adopt.adopt(root)) == [adopt.Outcome(new, "unchanged")]
    outcomes, newest = edited(LOSS.replace("scaled", "z"))
    assert read_row(root / newest)["adopted_from"] == f"{new} {old}"
    assert results.load(root)["run_id"].tolist() == [newest]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LOSS.replace("2 *", "2.0001 *"), r"differ by \d.*e-05 of their size"),
        ("raise RuntimeError('no')", "cannot be compared"),
    ],
)
def test_a_loss_that_does_something_else_is_refused_with_how_much(made, text, says, tmp_path):
    row, edited = made
    before = {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()}
    ((name, what, why),), new = edited(text)
    assert (name, what) == (row["run_id"], "refused:")
    assert why.startswith("its loss does something else today (its values or gradients ")
    assert re.search(says, why)
    assert {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()} == before
    assert new != name


def test_it_goes_on_where_it_was_killed(made, tmp_path, monkeypatch):
    row, edited = made
    root = tmp_path / "runs"
    for call in ("write_json", "sync", "remove"):

        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(adopt.store, call, killed)
            with pytest.raises(KeyboardInterrupt):
                edited(LOSS.replace("scaled", "s"))
        assert read_row(root / row["run_id"]) == row
    kept = tmp_path / "kept"
    shutil.copytree(root / row["run_id"], kept)
    _, new = edited(LOSS.replace("scaled", "s"))
    shutil.copytree(kept, root / row["run_id"])  # as if killed before the old one was removed
    outcomes = {o.run: o.what for o in adopt.adopt(root)}
    assert outcomes == {row["run_id"]: "adopted", new: "unchanged"}
    assert [name for name in store.names(root) if name != store.RUNNING] == [new]


def test_one_bad_run_stops_no_other(made, make_cfg, tmp_path):
    row, edited = made
    root = tmp_path / "runs"
    for seed, (file, text) in enumerate(
        [("row.json", "{"), ("config.yaml", "loss: ["), ("config.yaml", "loss: {name: gone}")], 1
    ):
        name = row["run_id"].replace("s0", f"s{seed}")
        shutil.copytree(root / row["run_id"], root / name)
        store.write_json(root / name / "row.json", row | {"run_id": name})
        (root / name / file).write_text(text)
    (root / "notes").mkdir()
    outcomes, new = edited(LOSS.replace("scaled", "s"))
    assert [o.what for o in outcomes] == ["adopted", "refused:", "refused:", "refused:"]
    for outcome, says in zip(
        outcomes[1:], ("is not JSON", "cannot be read as a config", "there is no loss 'gone'"),
        strict=True,
    ):  # fmt: skip
        assert says in outcome.says
        assert len(outcome.says.splitlines()) == 1
    assert (root / "notes").is_dir()
    assert (root / new).is_dir()


def test_an_edited_comment_is_no_other_experiment(made, command, tmp_path):
    row, edited = made
    outcomes, new = edited(LOSS.replace("\n", "  # twice\n"))
    assert new == row["run_id"]
    assert outcomes == [adopt.Outcome(new, "unchanged")]
    code, out, err = command("runs", "adopt")
    assert (code, out, err) == (0, "0 adopted, 0 refused, 1 unchanged\n", "")
    code, out, err = command("runs", "adopt", "--runs", str(tmp_path / "no"))
    assert (code, out) == (2, "")
    assert "there is no such folder of runs" in err
    assert command("runs", "--runs", str(tmp_path / "runs"))[1].endswith("1 done\n")
