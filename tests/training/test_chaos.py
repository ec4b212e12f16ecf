"""Workers killed at random, at least eight times, while they make eight runs."""

import os
import random
import signal
import time

from lossatlas import results
from lossatlas.results import store, sweeps
from training.commands import FINISHED, SHORT, TINY, living, start

KILLS = 8
SWEEP = [
    "train", "-m", *TINY, *SHORT, "recipe.epochs=4", "launcher.workers=2",
    "loss=cross_entropy,focal,crammer_singer_hinge,nt_xent", "seed=0,1",
]  # fmt: skip
TIMES = ["started", "wall_s", "cpu_s", "train_s"]


def epochs_made(root):
    """Lines of epochs in all runs, finished or not; a kill can only take away what was begun."""
    files = [*root.glob("*/epochs.jsonl"), *root.glob(".running/*/epochs.jsonl")]
    total = 0
    for path in files:
        try:
            total += path.read_bytes().count(b"\n")
        except FileNotFoundError:  # it was moved into its place meanwhile
            total += 4
    return total


def test_every_row_is_there_once_and_as_if_nothing_had_happened(command, tmp_path):
    calm, hurt = tmp_path / "calm", tmp_path / "hurt"
    code, _, err = command(*SWEEP, f"runs={calm}")
    assert code == 0, err

    rng = random.Random(seed := time.time_ns())
    process = start(*SWEEP, runs=hurt)
    kills, seen = 0, 0
    while process.poll() is None and kills < KILLS:
        # An epoch more between two kills: at least 32 are to be made, so that 8 kills fit.
        target = seen + 1
        while process.poll() is None and (seen := epochs_made(hurt)) < target:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.3)
        team = [pid for folder in sweeps.folders(hurt) for pid in living(folder)]
        for pid in rng.sample(team, min(len(team), rng.choice([1, 1, 1, 2]))):
            try:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
    assert process.wait(300) == 0, f"seed of the kills: {seed}\n{process.told()}"
    assert kills >= KILLS, f"only {kills} kills"

    tables = [results.load(root).set_index("run_id").sort_index() for root in (calm, hurt)]
    assert len(tables[0]) == 8
    assert not tables[1].index.has_duplicates
    assert set(tables[1]["state"]) == {"done"}
    assert list(tables[0].index) == list(tables[1].index)
    calmly, roughly = (table.drop(columns=TIMES).to_dict("records") for table in tables)
    for one, other in zip(calmly, roughly, strict=True):
        assert {k: v for k, v in one.items() if v == v} == {
            k: v for k, v in other.items() if v == v
        }
    for run in tables[0].index:
        bundles = [(root / run / "bundle.safetensors").read_bytes() for root in (calm, hurt)]
        assert bundles[0] == bundles[1]
        assert [e["epoch"] for e in store.read_epochs(hurt / run)] == [1, 2, 3, 4]
        files = [{path.name for path in (root / run).iterdir()} for root in (calm, hurt)]
        assert files[0] == files[1] >= FINISHED  # beside them, what the loss imports
    assert not list((hurt / ".running").iterdir())
