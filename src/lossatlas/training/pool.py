"""Several workers on this machine, and others in the place of those that die.

They are forked from one server process that has imported everything once, so that another worker
costs no more than milliseconds. (A pool of joblib is given up whole when one process is killed.)
"""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from joblib import cpu_count

from lossatlas.training import worker

FRUITLESS = 10  # deaths, for each worker, without any progress between: then the pool gives up
GRACE = 60.0  # seconds for a worker to stop


def default_size(threads: int) -> int:
    """How many workers: as many as the cores hold, or one for each GPU."""
    import torch

    return torch.cuda.device_count() or max(1, cpu_count() // threads)


def prepare(threads: int) -> Any:
    """Start the server that workers are forked from; its imports go on in the background."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lossatlas.training.worker", "lossatlas.training.run"])
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)  # counts only before torch is imported
    try:
        multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    return context


def work(folder: Path, size: int, context: Any, progress: Callable[[], Any]) -> list[str]:
    """Let `size` workers make what is missing of the sweep in `folder`.

    A worker that was killed is replaced; `progress` gives something that changes whenever a run or
    an epoch has been made, and when none was for many deaths, the pool gives up.

    Returns:
        What went wrong with workers, a sentence each; empty if nothing did.
    """
    team: dict[int, tuple[ForkServerProcess, Connection]] = {}
    todo, problems, fruitless, made = set(range(size)), [], 0, progress()
    try:
        while todo:
            for slot in todo - set(team):
                team[slot] = _start(folder, slot, context)
            wait([process.sentinel for process, _ in team.values()], timeout=1)
            for slot, (process, alive) in list(team.items()):
                if process.exitcode is None:
                    continue
                alive.close()
                del team[slot]
                if process.exitcode in (0, worker.NO_SPACE):
                    todo.discard(slot)
                    if process.exitcode:
                        problems.append(f"no space is left in {folder.parents[1]}")
                elif process.exitcode < 0 or process.exitcode == worker.STOPPED:
                    now = progress()
                    fruitless, made = (fruitless + 1 if now == made else 0), now
                    if fruitless >= FRUITLESS * size:
                        signal = f"signal {-process.exitcode}"
                        problems.append(f"workers die without getting anywhere ({signal})")
                        todo.clear()
                else:
                    todo.discard(slot)
                    problems.append(f"a worker broke down; see {_log(folder, process.pid)}")
        return list(dict.fromkeys(problems))
    finally:
        for process, _ in team.values():
            process.terminate()
        for process, alive in team.values():
            process.join(GRACE)
            process.kill()
            alive.close()


def _start(folder: Path, slot: int, context: Any) -> tuple[ForkServerProcess, Connection]:
    import torch

    environment = dict(os.environ)
    if "CUDA_VISIBLE_DEVICES" not in environment and torch.cuda.device_count() > 1:
        environment["CUDA_VISIBLE_DEVICES"] = str(slot % torch.cuda.device_count())
    theirs, ours = context.Pipe(duplex=False)
    process = context.Process(target=worker.main, args=(folder, environment, theirs))
    process.start()
    theirs.close()
    return process, ours


def _log(folder: Path, pid: int | None) -> Path | str:
    return next(folder.glob(f"worker-*-{pid}.log"), folder)
