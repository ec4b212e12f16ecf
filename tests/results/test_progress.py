"""Costs and times left come from measured runs; listings say what state every run is in."""

import errno
import math
from pathlib import Path

import pandas as pd
import pytest

from lossatlas import results
from lossatlas.errors import UserError
from lossatlas.results import listing, progress, selection, store, sweeps
from lossatlas.results.progress import Costs, Member
from rows import whole

KIND = {
    "recipe": "quick", "batch_size": 64, "model": "m", "data": "d", "holdout": 0, "threads": 1,
    "target": "class_index",
}  # fmt: skip


def planned(name, loss="ce", epochs=4, **more):
    conf = {
        "loss": {"name": loss}, "recipe": {"name": "quick", "epochs": epochs, "batch_size": 64},
        "model": {"name": "m"}, "data": {"name": "d"}, "holdout": 0, "threads": 1,
    } | more  # fmt: skip
    return sweeps.Planned(name, conf, "class_index", "given")


def put(root, name, state="done", loss="ce", **more):
    row = whole(name) | KIND | {"state": state, "loss": loss, "epochs": 4, "reason": None} | more
    (root / name).mkdir(parents=True)
    store.write_json(root / name / "row.json", row)


def test_costs_are_medians_of_the_same_loss_then_of_the_same_kind(tmp_path):
    for i, seconds in enumerate((40, 44, 400)):
        put(tmp_path, f"a{i}", wall_s=seconds)
    put(tmp_path, "b", loss="slow", wall_s=80.0, epochs=2)
    put(tmp_path, "c", state="failed", wall_s=9999.0)
    costs = Costs(results.load(tmp_path))
    assert costs.of(planned("x")) == 44
    assert costs.of(planned("x", epochs=8)) == 88
    assert costs.of(planned("x", loss="slow")) == 160
    assert costs.of(planned("x", loss="new")) == pytest.approx(4 * (11 + 40) / 2)
    assert costs.of(planned("x", threads=2)) is None
    assert costs.of(planned("x", model={"name": "other"})) is None
    assert Costs(results.load(tmp_path / "none")).of(planned("x")) is None


def test_costs_grow_with_images_and_epochs_and_starts_do_not(tmp_path):
    # 10 s besides three epochs of 20 s on 50,000 images
    put(tmp_path, "a", wall_s=70.0, train_s=60.0, epochs=3, train_size=50_000, data="cifar10")
    costs = Costs(results.load(tmp_path))

    def of(epochs=3, **more):
        conf = {"data": {"name": "cifar10", "n_train": 0}, **more}
        return costs.of(planned("x", epochs=epochs, **conf))

    def recipe(epochs, limit):
        return {"name": "quick", "epochs": epochs, "batch_size": 64, "train_limit": limit}

    assert of() == pytest.approx(70)
    assert of(epochs=1) == pytest.approx(30)
    assert of(recipe=recipe(3, 5000)) == pytest.approx(10 + 3 * 2)
    assert of(recipe=recipe(6, 100_000)) == pytest.approx(10 + 6 * 20)
    tail = {"name": "long_tail", "imbalance": 100.0}
    assert of(scenario=tail) == pytest.approx(10 + 3 * 20 * 12_406 / 50_000, rel=1e-3)
    # what was measured with as many images counts before what is scaled
    put(tmp_path, "b", wall_s=30.0, train_s=6.0, epochs=3, train_size=5000, data="cifar10")
    costs = Costs(results.load(tmp_path))
    assert of(recipe=recipe(3, 5000)) == pytest.approx(30)
    assert of() == pytest.approx(70)


def test_images_are_those_that_a_run_trains_on():
    conf = {"data": {"name": "synthetic", "n_train": 2000}, "recipe": {}, "holdout": 500}
    assert progress.images(conf) == 1500
    assert progress.images(conf | {"recipe": {"train_limit": 100}}) == 100
    assert progress.images(conf | {"data": {"name": "cifar10", "n_train": 0}}) == 49_500


def test_what_was_not_measured_here_is_borrowed_and_said_to_be(tmp_path):
    busy = {"wall_s": 50.0, "train_s": 40.0, "cpu_s": 16.0}  # of a processor that others used, too
    pd.DataFrame([KIND | busy | {"loss": "ce", "state": "done", "epochs": 4}]).to_csv(
        tmp_path / "results.csv"
    )
    costs = Costs(None, [tmp_path / "results.csv"])
    sweep = [Member(planned("a"), {}, "planned")]
    text = "1 planned; about 20 s left with 1 at once, by the timings of the published "
    text += "reports"
    assert progress.describe(sweep, costs, 0.0, 1) == text
    costs = Costs(None, [tmp_path / "results.csv"])
    costs.add(KIND | {"loss": "ce", "epochs": 4, "wall_s": 40.0})
    assert progress.describe(sweep, costs, 0.0, 1) == "1 planned; about 40 s left with 1 at once"
    assert Costs(None, [tmp_path / "none.csv"]).of(planned("a")) is None


def test_what_is_left_counts_what_was_made():
    costs = Costs()
    costs.add(KIND | {"loss": "ce", "epochs": 4, "wall_s": 40.0})
    sweep = [
        Member(planned("a"), {}, "done"),
        Member(planned("b"), {}, "failed"),
        Member(planned("c"), {"epochs_made": 1, "started": 0.0}, "running"),
        Member(planned("d"), {"epochs_made": 2}, "interrupted"),
        Member(planned("e"), {}, "planned"),
    ]
    assert progress.left(sweep, costs, now=5.0) == (30 + 20 + 40, 0)
    # nothing like it was measured: the running run is judged by itself
    assert progress.left(sweep, Costs(), now=12.0) == (36, 2)
    text = progress.describe(sweep, costs, 5.0, workers=2)
    assert text == (
        "1 done, 1 failed, 1 running, 1 interrupted, 1 planned; about 45 s left with 2 at once"
    )


def test_members_keep_the_plans_order_and_prefer_the_run_in_work():
    table = pd.DataFrame(
        [
            {"run_id": "b", "state": "failed"}, {"run_id": "z", "state": "done"},
            {"run_id": "b", "state": "running"},
        ]
    )  # fmt: skip
    found = progress.members([planned("a"), planned("b")], table)
    assert [(m.planned.run_id, m.state) for m in found] == [("a", "planned"), ("b", "running")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (89.6, "90 s"), (150, "2.5 min"), (7200, "2.0 h"), (86400 * 3, "3.0 days")],
)
def test_durations_are_short(seconds, text):
    assert progress.duration(seconds) == text


def test_since_is_a_moment_or_a_stretch(monkeypatch):
    monkeypatch.setattr(selection.time, "time", lambda: 100_000.0)
    assert selection.since("90m") == 100_000 - 5400
    assert selection.since("2h") == 100_000 - 7200
    assert selection.since("1d") == 100_000 - 86400
    assert selection.since("2026-11-24T12:00") - selection.since("2026-11-24") == 43200
    with pytest.raises(UserError, match="--since takes 90m, 2h"):
        selection.since("2 weeks")


@pytest.fixture
def root(tmp_path):
    """A sweep of four runs, of which one is done, one has failed and one is in work."""
    put(tmp_path, "done-1", test_accuracy=0.5, started=1000, wall_s=40.0)
    told = {"state": "failed", "reason": "out of luck"}
    put(tmp_path, "failed-1", **told, test_accuracy=0.4, started=2000)
    plan = [planned(name) for name in ("planned-1", "done-1", "failed-1", "running-1")]
    sweeps.write(tmp_path, "study", ["seed=0"], plan)
    with store.workshop(tmp_path, "running-1") as lease:
        store.write_json(lease.folder / "start.json", {"run_id": "running-1", "started": 3000})
        store.append_line(lease.folder / "epochs.jsonl", {"epoch": 1, "seconds": 2.0})
        yield tmp_path


def gather(root, sweep=None, states=(), only=None, since=None):
    return listing.gather(root, sweep, states, only, since)


def test_a_listing_has_a_line_a_run_and_one_for_each_open_sweep(root):
    name = sweeps.folders(root)[0].name
    lines = listing.lines(gather(root))
    assert lines[0] == "done     done-1     test accuracy (last epoch) 50.00 %"
    assert lines[1] == "failed   failed-1   out of luck"
    assert lines[2].startswith("running  running-1  1 epochs after ")
    assert lines[3:] == [
        "1 done, 1 failed, 1 running",
        f"sweep {name}: 1 done, 1 failed, 1 running, 1 planned; about 70 s left with 1 at once",
    ]
    put(root, "planned-1")
    put(root, "running-1")
    assert "1 running" in listing.lines(gather(root))[-1]


def test_a_sweep_is_listed_in_the_order_of_its_plan(root):
    listed = gather(root, sweep="study")
    assert list(listed.table["run_id"]) == ["planned-1", "done-1", "failed-1", "running-1"]
    assert list(listed.table["state"]) == ["planned", "done", "failed", "running"]
    assert listed.open
    assert gather(root, sweep=sweeps.folders(root)[0].name).table.equals(listed.table)
    with pytest.raises(UserError, match=r"there is no sweep 'x' in .*; there are: study-"):
        gather(root, sweep="x")


def test_a_finished_sweep_is_not_told_of_and_nobody_may_work_on_one(root):
    sweeps.write(root, "ended", [], [planned("done-1"), planned("failed-1")])
    sweeps.write(root, "idle", [], [planned("never")])
    told = gather(root).sweeps
    assert [line.split("-")[0] for line in told] == ["sweep study", "sweep idle"]
    assert told[1].endswith(": 1 planned; about 40 s left with 1 at once; nobody works on it now")


def test_listings_are_narrowed(root):
    assert list(gather(root, states=["failed", "running"]).table["run_id"]) == [
        "failed-1", "running-1",
    ]  # fmt: skip
    assert list(gather(root, only="*on*").table["run_id"]) == ["done-1"]
    assert list(gather(root, since="1970-01-02").table["run_id"]) == []
    assert len(gather(root, since="1969-12-31").table) == 3
    assert listing.lines(gather(root, only="x"))[0].startswith("no such runs")
    with pytest.raises(UserError, match="--state 'fine' is unknown; legal: done, diverged, failed"):
        gather(root, states=["fine"])


def test_following_ends_when_nothing_is_left_to_be_made(root, monkeypatch):
    now = gather(root, sweep="study")
    coming = iter([now, now, now._replace(open=False), now])
    monkeypatch.setattr(listing.time, "sleep", lambda _: None)
    listing.follow(lambda: next(coming))
    assert next(coming) is now


def test_a_row_that_is_only_planned_has_no_numbers(root):
    row = gather(root, sweep="study").table.iloc[0]
    assert math.isnan(row["test_accuracy"])


def test_a_plan_that_a_full_disk_cannot_take_is_a_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError) as caught:
        sweeps.write(tmp_path, "study", ["seed=0"], [])
    assert str(caught.value).startswith(f"{tmp_path / sweeps.SWEEPS / 'study-'}")
    assert "cannot be written (No space left on device)" in str(caught.value)
