"""A worker: one process that makes the runs of a sweep, one after the other, until none is left.

Any number of workers may work on one sweep, started by one launcher or by several, on one machine
or on many that share the run store; the leases of `results.lease` keep them off each other's runs.
A launcher imports this file to name `main`, so what trains is imported where it is needed.
"""

import errno
import os
import platform
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lossatlas.errors import UserError
from lossatlas.results import sweeps
from lossatlas.results.disk import NoSpace
from lossatlas.results.lease import Lost
from lossatlas.results.sweeps import Planned
from lossatlas.terminal import forgive
from lossatlas.training import stop
from lossatlas.training.config import resolve
from lossatlas.training.identity import place

POLL = 2.0  # seconds between looks at runs that others are making
BROKEN = 1  # what a worker says of itself when it breaks down
NO_SPACE = errno.ENOSPC  # and when the disk is full
NOT_MADE = ": not made: "  # in a worker's log, between a run's id and the reason


def main(folder: Path, environment: Mapping[str, str], launcher: Connection) -> None:
    """Be a worker of the sweep in `folder`: the whole life of a process.

    It prints to a log of its own beside the plan, and says to the launcher how it ended: a worker
    that says nothing was killed, or a loss of its has ended the process, and counts as dead. It
    stops when the launcher, which holds the other end, has let go. A SIGTERM from anybody else
    kills it, so that a loss which sends it is found out by the deaths of its run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to answer
    left = threading.Event()

    def terminate(number: int, _: Any) -> None:
        if left.is_set():
            stop.answer(number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, terminate)
    os.environ.clear()
    os.environ.update(environment)
    log = os.open(
        folder / f"worker-{platform.node()}-{os.getpid()}.log",
        os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666,
    )  # fmt: skip
    for stream in (1, 2):
        os.dup2(log, stream)
    forgive()
    threading.Thread(target=_follow, args=(launcher, left), daemon=True).start()
    try:
        said = work(folder)
    except Exception:
        traceback.print_exc()
        said = BROKEN
    launcher.send_bytes(b"%d" % said)


def work(folder: Path) -> int:
    """Make what is missing of the sweep in `folder`, and wait for what others are making.

    A run of which others hold the lease is looked at again until it has ended, so that a dead
    holder's run is taken over. Begins none once as many have failed as the sweep may have.
    Returns 0, or `NO_SPACE` when the disk is full.
    """
    with stop.listening():
        root, todo = folder.parents[1], sweeps.read(folder)
        while todo:
            others = []
            for run in todo:
                if sweeps.stopped(folder):
                    return 0
                try:
                    if _is_held(root, run, folder):
                        others.append(run)
                except NoSpace as error:
                    print(f"{run.run_id}{NOT_MADE}{error}", flush=True)
                    return NO_SPACE
            if len(others) == len(todo):
                time.sleep(POLL)
            todo = others
        return 0


def _is_held(root: Path, run: Planned, folder: Path) -> bool:
    """Make a run, unless there is a row; whether another process is making it.

    What is wrong with this run need not be with the next: it is printed.
    """
    from lossatlas.training.run import described

    try:
        return not (root / run.run_id / "row.json").is_file() and _make(root, run, folder)
    except Lost:
        return True
    except (NoSpace, stop.Interrupted):
        raise
    except UserError as error:
        print(f"{run.run_id}{NOT_MADE}{error}", flush=True)
    except BaseException as error:
        stop.check()
        traceback.print_exc()
        print(f"{run.run_id}{NOT_MADE}{described(error)}", flush=True)
    sweeps.note_failure(folder, run.run_id)
    return False


def _make(root: Path, run: Planned, folder: Path) -> bool:
    from lossatlas.training.run import execute

    try:
        cfg = OmegaConf.create(run.config | {"runs": str(root), "progress": False})
        planned = place(resolve(cfg))[1]
    except UserError:
        raise
    except Exception as error:  # whatever a damaged plan may say
        raise UserError(f"its configuration in the plan cannot be read ({error})") from error
    if planned != run.run_id:
        raise UserError("the source of its loss changed after planning; start the sweep again")
    row = execute(cfg, run.lr_source, folder.name, run.chosen_on)  # type: ignore[arg-type]
    if row["state"] == "failed":
        sweeps.note_failure(folder, run.run_id)
    if row["state"] != "running":
        print(f"{run.run_id}: {row['state']}: {row['reason']}", flush=True)
    return bool(row["state"] == "running")


def _follow(launcher: Connection, left: threading.Event) -> None:
    with suppress(EOFError, OSError):
        launcher.recv_bytes()
    left.set()
    os.kill(os.getpid(), signal.SIGTERM)
