"""A worker: one process that makes the runs of a sweep, one after the other, until none is left.

Any number of workers may work on one sweep, started by one launcher or by several, on one machine
or on many that share the run store; the leases of `results.lease` keep them off each other's runs.
A launcher imports this file to name `main`, so what trains is imported where it is needed.
"""

import errno
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from omegaconf import OmegaConf

from lossatlas.errors import UserError
from lossatlas.results import sweeps
from lossatlas.results.lease import Lost
from lossatlas.results.sweeps import Planned
from lossatlas.training.config import resolve
from lossatlas.training.identity import place

POLL = 2.0  # seconds between looks at runs that others are making
STOPPED = 143  # exit code after SIGTERM
NO_SPACE = errno.ENOSPC  # exit code when the disk is full


def main(folder: Path, environment: Mapping[str, str], alive: Connection | None = None) -> None:
    """Be a worker of the sweep in `folder`: the whole life of a process.

    It prints to a log of its own beside the plan, and ends when SIGTERM comes or when the launcher,
    which holds the other end of `alive`, has gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to answer
    stop_on_sigterm()
    os.environ.clear()
    os.environ.update(environment)
    log = os.open(
        folder / f"worker-{platform.node()}-{os.getpid()}.log",
        os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644,
    )  # fmt: skip
    for stream in (1, 2):
        os.dup2(log, stream)
    if alive is not None:
        threading.Thread(target=_follow, args=(alive,), daemon=True).start()
    sys.exit(work(folder))


def stop_on_sigterm() -> None:
    """Let SIGTERM end this process through `finally`, so that leases are given back at once."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))


def work(folder: Path) -> int:
    """Make what is missing of the sweep in `folder`, and wait for what others are making.

    A run of which others hold the lease is looked at again until it has ended, so that a dead
    holder's run is taken over. Returns 0, or `NO_SPACE` when the disk is full.
    """
    from lossatlas.training.run import NoSpace

    root, todo = folder.parents[1], sweeps.read(folder)
    while todo:
        others = []
        for run in todo:
            if (root / run.run_id / "row.json").is_file():
                continue
            try:
                if _make(root, run, folder.name) == "running":
                    others.append(run)
            except Lost:
                others.append(run)
            except UserError as error:  # what is wrong with this run need not be with the next
                print(f"{run.run_id}: not made: {error}", flush=True)
            except NoSpace as error:
                print(f"{run.run_id}: not made: {error}", flush=True)
                return NO_SPACE
        if len(others) == len(todo):
            time.sleep(POLL)
        todo = others
    return 0


def _make(root: Path, run: Planned, sweep: str) -> str:
    from lossatlas.training.run import execute

    cfg = OmegaConf.create(run.config | {"runs": str(root), "progress": False})
    if place(resolve(cfg))[1] != run.run_id:
        raise UserError("the source of its loss changed after planning; start the sweep again")
    row = execute(cfg, run.lr_source, sweep)  # type: ignore[arg-type]
    if row["state"] != "running":
        print(f"{run.run_id}: {row['state']}: {row['reason']}", flush=True)
    return str(row["state"])


def _follow(alive: Connection) -> None:
    try:
        alive.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
