"""Several workers on this machine, and others in the place of those that die.

They are forked from one server process that has imported everything once, so that another worker
costs no more than milliseconds. (A pool of joblib is given up whole when one process is killed.)
"""

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from joblib import cpu_count

from lossatlas.errors import UserError
from lossatlas.results.lease import MAX_DEATHS
from lossatlas.spread import deaf
from lossatlas.training import worker

# Deaths, for each worker, without any progress between: then the pool gives up. A run that kills
# its workers is marked as failed by the one after so many deaths.
FRUITLESS = MAX_DEATHS + 2
GRACE = 60.0  # seconds for a worker to stop
SHORT = 70  # bytes: a socket's path has 107 at most, and multiprocessing adds 32


def default_size(threads: int) -> int:
    """How many workers: as many as the cores hold, or one for each GPU."""
    import torch

    return torch.cuda.device_count() or max(1, cpu_count() // threads)


def prepare(threads: int) -> Any:
    """Start the server that workers are forked from, unless it lives; its imports take seconds.

    Raises:
        UserError: no folder for temporary files has a path short enough for its socket.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lossatlas.training.server"])
    before, folder = os.environ.get("OMP_NUM_THREADS"), tempfile.tempdir
    os.environ["OMP_NUM_THREADS"] = str(threads)  # counts only before torch is imported
    tempfile.tempdir = _short()
    try:
        with deaf():
            multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        tempfile.tempdir = folder
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    return context


def _short() -> str:
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", os.getcwd()):
        if len(os.fsencode(folder)) <= SHORT and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise UserError(
        f"TMPDIR is {tempfile.gettempdir()}, too long for a socket, and /tmp cannot be written; "
        f"set TMPDIR to a folder whose path has at most {SHORT} bytes"
    )


def work(folder: Path, size: int, threads: int, progress: Callable[[], Any]) -> list[str]:
    """Let `size` workers make what is missing of the sweep in `folder`.

    A worker that died is replaced, and so is their server; `progress` gives something that changes
    whenever a run or an epoch has been made, and when none was for many deaths, the pool gives up.

    Returns:
        What went wrong with workers, a sentence each; empty if nothing did.
    """
    team: dict[int, tuple[ForkServerProcess, Connection]] = {}
    todo, problems, fruitless, made = set(range(size)), [], 0, progress()
    try:
        while todo:
            deaths = []
            for slot in todo - set(team):
                try:
                    team[slot] = _start(folder, slot, prepare(threads))
                except (OSError, EOFError) as error:  # the server died under our hands
                    deaths.append(f"none can be started: {type(error).__name__}")
            wait([process.sentinel for process, _ in team.values()], timeout=1)
            for slot, (process, ours) in list(team.items()):
                if process.exitcode is None:
                    continue
                said = _said(ours)
                ours.close()
                del team[slot]
                if said is None:
                    deaths.append(f"exit code {process.exitcode}; see {_log(folder, process.pid)}")
                    continue
                todo.discard(slot)
                if said == worker.NO_SPACE:
                    problems.append(f"no space is left in {folder.parents[1]}")
                elif said:
                    problems.append(f"a worker broke down; see {_log(folder, process.pid)}")
            for death in deaths:
                now = progress()
                fruitless, made = (fruitless + 1 if now == made else 0), now
                if fruitless >= FRUITLESS * size:
                    problems.append(f"workers die without getting anywhere ({death})")
                    todo.clear()
        return list(dict.fromkeys(problems))
    finally:
        for _, ours in team.values():
            ours.close()  # they stop
        for process, _ in team.values():
            process.join(GRACE)
            process.kill()


def _start(folder: Path, slot: int, context: Any) -> tuple[ForkServerProcess, Connection]:
    import torch

    environment = dict(os.environ)
    if "CUDA_VISIBLE_DEVICES" not in environment and torch.cuda.device_count() > 1:
        environment["CUDA_VISIBLE_DEVICES"] = str(slot % torch.cuda.device_count())
    ours, theirs = context.Pipe()
    process = context.Process(target=worker.main, args=(folder, environment, theirs))
    process.start()
    theirs.close()
    return process, ours


def _said(ours: Connection) -> int | None:
    """What a worker that has ended said of itself; None if it was cut off."""
    try:
        return int(ours.recv_bytes()) if ours.poll() else None
    except (EOFError, OSError):
        return None


def _log(folder: Path, pid: int | None) -> Path | str:
    return next(folder.glob(f"worker-*-{pid}.log"), folder)
