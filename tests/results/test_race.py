"""Readers beside a process that publishes: each run is seen once, in a state that it had."""

import multiprocessing
from pathlib import Path

from lossatlas.results import listing, store, sweeps
from rows import whole

RUNS = [f"loss-clean-quick-s{seed}-0123456789ab" for seed in range(150)]
CONFIG = {
    "loss": {"name": "ce"}, "recipe": {"name": "quick", "epochs": 2, "batch_size": 64},
    "model": {"name": "m"}, "data": {"name": "d"}, "holdout": 0, "threads": 1,
}  # fmt: skip


def publish(root: Path) -> None:
    """Make every run twice: it fails, then it is done."""
    for run in RUNS:
        for state in ("failed", "done"):
            with store.workshop(root, run) as lease:
                assert lease is not None
                store.write_json(lease.folder / "start.json", {"run_id": run})
                for epoch in (1, 2):
                    line = {"epoch": epoch, "seconds": 1.0}
                    store.append_line(lease.folder / "epochs.jsonl", line)
                store.publish(root, lease, whole(run, state=state))


def test_reading_beside_a_publisher_is_never_wrong(tmp_path):
    plan = [sweeps.Planned(run, CONFIG, "class_index", "given") for run in RUNS]
    sweep = sweeps.write(tmp_path, "study", [], plan)
    publisher = multiprocessing.get_context("fork").Process(target=publish, args=(tmp_path,))
    publisher.start()
    seen: set[str] = set()
    done: set[str] = set()
    while publisher.is_alive():
        table = store.table(tmp_path)
        of = table.groupby("run_id")["state"].agg(sorted)
        assert seen <= set(of.index)  # what is being published does not vanish for a moment
        for run, states in of.items():
            assert states in (
                ["done"], ["failed"], ["running"], ["interrupted"],  # the last: without its lease
                ["failed", "running"], ["failed", "interrupted"],
            ), (run, table["reason"][table["run_id"] == run].tolist())  # fmt: skip
            assert states == ["done"] or run not in done
        seen |= set(of.index)
        done |= {run for run, states in of.items() if states == ["done"]}
        listing.lines(listing.gather(tmp_path, sweep.name, [], None, None))
        listing.lines(listing.gather(tmp_path, None, [], None, None))
    publisher.join()
    assert publisher.exitcode == 0
    assert len(done) > 10
