"""How many workers there are, and which GPU each of them sees."""

import os

import pytest
import torch

from lossatlas.results import lease
from lossatlas.training import pool


@pytest.mark.parametrize(
    ("cores", "gpus", "threads", "size"), [(8, 0, 1, 8), (8, 0, 3, 2), (1, 0, 2, 1), (16, 2, 1, 2)]
)
def test_as_many_workers_as_cores_or_gpus(cores, gpus, threads, size, monkeypatch):
    monkeypatch.setattr(pool, "cpu_count", lambda: cores)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert pool.default_size(threads) == size


class Recorder:
    """A context of multiprocessing that notes what its processes are given, and starts none."""

    def __init__(self):
        self.environments = []

    def Pipe(self):
        return self, self

    def Process(self, target, args):
        self.environments.append(args[1])
        return self

    def start(self):
        """Nothing is started."""

    def close(self):
        """Nothing is open."""


class Dead:
    """A worker that has ended without a word."""

    exitcode, pid = -9, 1

    def __init__(self):
        self.sentinel, other = os.pipe()
        os.close(other)

    def close(self):
        os.close(self.sentinel)

    def poll(self):
        return False


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("marked", [True, False])
def test_the_pool_outlasts_runs_that_kill_their_workers_and_gives_up_without_progress(
    size, marked, monkeypatch, tmp_path
):
    """`size` runs at once cost MAX_DEATHS workers each; the worker after that marks one failed."""
    started, deadly = [], size * lease.MAX_DEATHS

    def start(*_):
        started.append(Dead())
        return started[-1], started[-1]

    def progress():
        return marked and len(started) > deadly

    monkeypatch.setattr(pool, "_start", start)
    monkeypatch.setattr(pool, "prepare", lambda _: None)
    (problem,) = pool.work(tmp_path, size, 1, progress)
    assert problem.startswith("workers die without getting anywhere (exit code -9; see ")
    assert deadly < len(started)
    assert len(started) <= (marked and deadly) + size * (pool.FRUITLESS + 1)


@pytest.mark.parametrize(
    ("gpus", "given", "seen"),
    [
        (0, None, [None, None, None]),
        (1, None, [None, None, None]),  # all on the one there is
        (2, None, ["0", "1", "0"]),
        (2, "1", ["1", "1", "1"]),  # the user's choice
    ],
)
def test_workers_are_spread_over_the_gpus(gpus, given, seen, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    context = Recorder()
    for slot in range(3):
        pool._start(tmp_path, slot, context)
    assert [e.get("CUDA_VISIBLE_DEVICES") for e in context.environments] == seen
