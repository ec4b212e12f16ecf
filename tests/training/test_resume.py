"""A run killed at random moments ends bit-identical to one that was left alone."""

import json
import random
import signal
import time

import pytest

from lossatlas.results import store
from training import commands


def start(runs, *overrides):
    settings = [*commands.TINY, *commands.SHORT, "recipe.epochs=16", "progress=false"]
    return commands.start("train", *settings, *overrides, runs=runs)


def epochs_made(runs):
    return max((len(store.read_epochs(f)) for f in runs.glob(".running/*/")), default=0)


def kill_after(process, runs, epochs, delay, how):
    """Signal the process `delay` seconds after it has made that many epochs (or let it end)."""
    while process.poll() is None and epochs_made(runs) < epochs:
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(how)
    return process.wait(60)


@pytest.mark.parametrize("loss", ["draws_numbers", "nt_xent"])
def test_killed_at_random_and_started_again_is_bit_identical(tmp_path, loss, own_loss):
    own_loss(  # a loss may draw from torch's global generator
        "draws_numbers",
        "return torch.logsumexp(logits, 1) - logits.gather(1, target[:, None])[:, 0]"
        " * (0.5 + torch.rand(len(logits)))",
    )
    calm = start(tmp_path / "calm", f"loss={loss}")
    assert calm.wait(120) == 0, calm.told()
    seed = time.time_ns()
    rng = random.Random(seed)
    hurt = tmp_path / "hurt"
    for epochs in (2, 6, 10):  # at least that many epochs, then some moment within the next ones
        kill_after(start(hurt, f"loss={loss}"), hurt, epochs, rng.random() * 0.1, signal.SIGKILL)
    last = start(hurt, f"loss={loss}")
    assert last.wait(120) == 0, last.told()
    (one,), (other,) = (list(root.glob("*/row.json")) for root in (tmp_path / "calm", hurt))
    rows = [store.read_row(path.parent) for path in (one, other)]
    assert rows[0]["weights_sha256"] == rows[1]["weights_sha256"], f"seed of the kills: {seed}"
    assert (one.parent / "bundle.safetensors").read_bytes() == (
        other.parent / "bundle.safetensors"
    ).read_bytes()
    timeless = [
        [{k: v for k, v in e.items() if "seconds" not in k} for e in store.read_epochs(p.parent)]
        for p in (one, other)
    ]
    assert timeless[0] == timeless[1]
    assert len(timeless[0]) == 16
    made = len((other.parent / "epochs.jsonl").read_text().splitlines())
    assert made <= 16 + 3, "it started from the beginning after a kill"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_it_stops_without_a_row_and_can_go_on(tmp_path, how, code):
    process = start(tmp_path)
    assert kill_after(process, tmp_path, 2, 0.0, how) == code
    assert "Traceback" not in process.told()
    assert not list(tmp_path.glob("*/row.json"))
    (begun,) = tmp_path.glob(".running/*/start.json")
    here = json.loads(begun.read_text())
    begun.write_text(json.dumps(here | {"cpu": "another"}))
    again = start(tmp_path)
    assert again.wait(120) == 0
    assert "done" in again.told()
    (row,) = (store.read_row(path.parent) for path in tmp_path.glob("*/row.json"))
    assert row["cpu"] == f"another; {here['cpu']}"
    assert row["hardware"] == here["hardware"]
