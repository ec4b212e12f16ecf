"""TensorBoard mirrors a run: what its own reader finds is what the epochs and the row say."""

import signal
import sys

import pytest

from lossatlas.errors import UserError
from lossatlas.results import store
from lossatlas.training import run

pytest.importorskip("tensorboard")


def compare(row, images):
    """A published run's event files with its row and its epochs (TensorBoard keeps float32)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    folder = store.runs_dir() / row["run_id"]
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    scalars = {
        tag: {one.step: pytest.approx(one.value, rel=1e-6) for one in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
    }
    assert all(len(scalars[tag]) == len(events.Scalars(tag)) for tag in scalars)  # none twice
    epochs = store.read_epochs(folder)
    expected = {key: {e["epoch"]: e[key] for e in epochs} for key in (epochs[0] if epochs else {})}
    assert {tag: scalars[tag] for tag in scalars if not tag.startswith("row/")} == expected
    numbers = {tag.removeprefix("row/"): scalars[tag][0] for tag in scalars if "row/" in tag}
    assert {"wall_s", "train_s", "parameters" if row["state"] == "done" else "cpu_s"} <= set(
        numbers
    )
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    session = HParamsPluginData.FromString(content).session_start_info
    words = {
        key: getattr(value, value.WhichOneof("kind")) for key, value in session.hparams.items()
    }
    assert numbers.keys() | words.keys() == row.keys()  # nothing is lost
    assert not numbers.keys() & words.keys()
    assert {key: row[key] for key in numbers} == numbers
    for key, value in words.items():
        assert value == (str(row[key]) if row[key] is None else row[key])
    assert set(events.Tags()["images"]) == set(images)


@pytest.mark.parametrize(
    ("loss", "images"),
    [("cross_entropy", ["confusion", "reliability"]), ("nt_xent", ["features"])],
)
def test_event_files_say_what_the_row_and_the_epochs_say(loss, images, make_cfg):
    row = run.execute(make_cfg("logger=tensorboard", f"loss={loss}"), sweep="study")
    assert row["state"] == "done", row["reason"]
    compare(row, images)


def test_a_diverged_run_has_event_files_too(make_cfg):
    row = run.execute(make_cfg("logger=tensorboard", "recipe.lr=1e30"))
    assert row["state"] == "diverged"
    compare(row, [])


def test_a_run_that_went_on_is_told_once(make_cfg, monkeypatch):
    cfg = make_cfg("logger=tensorboard")
    with monkeypatch.context() as patch:
        patch.setattr(run, "evaluate", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(run.Interrupted):
            run.execute(cfg)
    compare(run.execute(cfg), ["confusion", "reliability"])


def test_a_missing_package_is_named(make_cfg, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserError, match=r"pip install lossatlas\[tensorboard\]"):
        run.execute(make_cfg("logger=tensorboard"))
    assert not store.runs_dir().exists()
