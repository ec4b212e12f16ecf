"""A sweep makes what is missing, goes on past failures, and tells how it ended."""

import pytest

from lossatlas import results
from lossatlas.results import store
from lossatlas.training import sweeper
from training.commands import TINY, lossatlas


def test_a_sweep_with_a_failing_loss_keeps_the_rest_and_resumes(tmp_path, own_loss):
    file = own_loss("broken", "raise RuntimeError('out of luck')")
    path = {"LOSSATLAS_PATH": str(file.parents[2])}
    arguments = ["train", "-m", *TINY, "loss=cross_entropy,broken", "seed=0,1"]
    first = lossatlas(*arguments, runs=tmp_path, **path)
    assert first.returncode == 1, first.stderr
    assert "4 runs" in first.stderr
    assert "0 finished, 4 to do" in first.stderr
    assert "failed: RuntimeError: out of luck" in first.stderr
    assert "4 of 4 runs" in first.stderr
    table = results.load(tmp_path).set_index(["loss", "seed"])
    assert dict(table["state"]) == {
        ("broken", 0): "failed", ("broken", 1): "failed",
        ("cross_entropy", 0): "done", ("cross_entropy", 1): "done",
    }  # fmt: skip
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("cross_entropy*/row.json")}
    own_loss(
        "broken", "return torch.logsumexp(logits, 1) - logits.gather(1, target[:, None])[:, 0]"
    )
    again = lossatlas(*arguments, runs=tmp_path, **path)
    assert again.returncode == 0, again.stderr
    assert "2 finished, 2 to do" in again.stderr
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    done = results.load(tmp_path).query("state == 'done'")
    assert sorted(zip(done["loss"], done["seed"], strict=True)) == [
        ("broken", 0), ("broken", 1), ("cross_entropy", 0), ("cross_entropy", 1),
    ]  # fmt: skip


def test_a_named_study_is_a_list_of_products(tmp_path):
    command = ["train", "-m", "sweep=quick_survey", *TINY, "loss=cross_entropy"]
    outcome = lossatlas(*command, runs=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    # two grids of two seeds; the third, of the embedder, became a run of the first
    assert "4 runs" in outcome.stderr
    table = results.load(tmp_path)
    assert sorted(zip(table["scenario"], table["seed"], strict=True)) == [
        ("ambiguous_pets", 0), ("ambiguous_pets", 1), ("clean", 0), ("clean", 1),
    ]  # fmt: skip
    assert "4 of 4 runs" in outcome.stderr


def test_a_wrong_value_stops_a_sweep_before_it_starts(tmp_path):
    outcome = lossatlas("train", "-m", *TINY, "loss=focal", "loss.gamma=1,-1", runs=tmp_path)
    assert outcome.returncode == 2
    assert outcome.stderr == "lossatlas: focal: gamma must be a number in [0, inf), not -1.0\n"
    assert not list(tmp_path.iterdir())


def test_the_watch_counts_epochs_and_says_what_is_left(tmp_path, monkeypatch):
    todo = [sweeper.Planned((), f"ce-clean-quick-s{i}-0", 3) for i in range(3)]
    watch = sweeper.Watch(tmp_path, todo, sweeper.Console(stderr=True))
    (tmp_path / todo[0].run_id).mkdir()
    store.write_json(tmp_path / todo[0].run_id / "row.json", {"state": "done"})
    running = tmp_path / ".running" / todo[1].run_id
    running.mkdir(parents=True)
    store.append_line(running / "epochs.jsonl", {"epoch": 1})
    monkeypatch.setattr(sweeper.time, "monotonic", lambda: 100.0)
    (tmp_path / todo[2].run_id).mkdir()  # an earlier failure, to be tried again
    store.write_json(tmp_path / todo[2].run_id / "row.json", {"state": "failed", "started": 999})
    watch._begin, watch._since, watch._at_begin = 60.0, 1000, 0
    # 4 and a half of 9 epochs took 40 s, so the rest takes 40 s
    assert watch._line() == (
        1, "1 of 3 runs, 40 s, about 40 s left | now: ce-clean-quick-s1 1/3",
    )  # fmt: skip


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (89.6, "90 s"), (150, "2.5 min")])
def test_durations_are_short(seconds, text):
    assert sweeper._minutes(seconds) == text
