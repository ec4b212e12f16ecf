"""Sweeps on disk: what was planned, so that any process that sees the folder can work on it.

    runs/.sweeps/<name>/plan.jsonl     one line a run: its id and all that is needed to make it;
                                       then what was left out, a line a reason
    runs/.sweeps/<name>/sweep.yaml     the sweep as a file for `lossatlas train -m sweep=...`
    runs/.sweeps/<name>/worker-*.log   what its workers printed

A sweep's name ends in a digest of its runs' ids: the same runs make the same sweep.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lossatlas import writing
from lossatlas.errors import UserError
from lossatlas.results import files
from lossatlas.results.files import Damaged
from lossatlas.results.table import is_earlier

SWEEPS = ".sweeps"
PLAN = "plan.jsonl"
LEFT_OUT = "left_out"
FAILURES = "failures"  # how many may be, then the runs that failed since the last start
_LEFT_OUT_LINE = b'{"left_out":'


class Planned(NamedTuple):
    """One run of a sweep; `config` is its resolved configuration, as plain data, and `chosen_on`
    names the seeds by whose results its loss was chosen, if by any."""

    run_id: str
    config: dict[str, Any]
    target: str
    lr_source: str
    chosen_on: str | None = None

    @property
    def epochs(self) -> int:
        """How many epochs the run has."""
        return int(self.config["recipe"]["epochs"])


class LeftOut(NamedTuple):
    """Runs that were asked for and not planned: of which loss, why, and how many."""

    loss: str
    reason: str
    runs: int


def write(
    root: Path,
    study: str | None,
    grids: list[str],
    plan: list[Planned],
    left_out: Iterable[LeftOut] = (),
) -> Path:
    """Put a plan into the store; returns the sweep's folder. Raises UserError if it cannot."""
    folder = root / SWEEPS / f"{study or 'sweep'}-{_digest(run.run_id for run in plan)}"
    facts = [*(run._asdict() for run in plan), *({LEFT_OUT: one._asdict()} for one in left_out)]
    lines = "".join(json.dumps(fact, separators=(",", ":")) + "\n" for fact in facts)
    text = "# @package hydra.sweeper\n" + yaml.safe_dump({"grids": grids}, width=1000)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("sweep.yaml", text), (PLAN, lines)):
            writing.write(folder / name, content)  # two launchers may plan the same sweep
    except OSError as error:
        where = error.filename2 or error.filename or folder  # a full disk names no file
        raise UserError(f"{where}: cannot be written ({error.strerror})") from error
    return folder


def read(folder: Path) -> list[Planned]:
    """The plan of a sweep, in order, as far as it is whole."""
    return checked(folder)[0]


def checked(folder: Path) -> tuple[list[Planned], str | None]:
    """The plan of a sweep, in order, as far as it is whole; and what is wrong with it."""
    path = folder / PLAN
    plan: dict[str, Planned] = {}
    wrong: list[str] = []
    try:
        with files.opened(path) as file:
            for number, line in enumerate(file, 1):
                if line.startswith(_LEFT_OUT_LINE):
                    continue
                try:
                    found = files.parsed(line, files.PlanLine, f"{path}: line {number}")
                    plan.setdefault(found["run_id"], Planned(**found))
                except Damaged as error:
                    wrong.append(str(error))
    except FileNotFoundError:
        wrong.append(f"{path}: there is no such file")
    except Damaged as error:
        wrong.append(str(error))
    except OSError as error:
        wrong.append(f"{path}: cannot be read ({error.strerror})")
    if not wrong and _digest(plan) != folder.name.rpartition("-")[2]:
        wrong.append(f"{path}: does not hold the runs that it was written with")
    more = f"; and {len(wrong) - 1} more" if wrong[1:] else ""
    return list(plan.values()), f"{wrong[0]}{more}" if wrong else None


def ids(folder: Path) -> list[str]:
    """The ids of a sweep's runs, without reading the rest of its plan (which may be large).

    Raises:
        Damaged: they are not those that the plan was written with.
    """
    path = folder / PLAN
    try:
        with files.opened(path) as file:
            found = [_id(line).decode() for line in file if not line.startswith(_LEFT_OUT_LINE)]
    except (OSError, UnicodeDecodeError):
        found = []
    if _digest(found) != folder.name.rpartition("-")[2]:
        raise Damaged(checked(folder)[1] or f"{path}: is damaged")
    return found


def limit_failures(folder: Path, most: int | None) -> None:
    """Begin to count the failed runs of a sweep: after `most` no worker begins another (None: all
    do). Who joins the sweep later is bound by it, too."""
    path = folder / FAILURES
    if path.is_dir() and not path.is_symlink():
        raise Damaged(f"{path}: is no plain file")
    path.unlink(missing_ok=True)
    if most is not None:
        path.write_text(f"{most}\n")


def note_failure(folder: Path, run_id: str) -> None:
    """Count a run that failed, if failures are counted."""
    with suppress(OSError):  # there is none, or `stopped` says what is wrong with it
        number = os.open(folder / FAILURES, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
        try:
            os.write(number, f"{run_id}\n".encode())  # one write: workers do not mix their lines
        finally:
            os.close(number)


def stopped(folder: Path) -> str | None:
    """Why no further run of the sweep is begun, or None."""
    path = folder / FAILURES
    try:
        most, *failed = files.text(path).split() or [""]
    except FileNotFoundError:
        return None
    except Damaged as error:
        return f"{error}: no other run was begun"
    if re.fullmatch(r"[0-9]{1,18}", most) is None:
        return f"{path}: does not begin with a number of runs: no other run was begun"
    if len(set(failed)) < int(most):
        return None
    return f"{len(set(failed))} runs failed, and --max-failures is {most}: no other was begun"


def _digest(run_ids: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(run_ids).encode()).hexdigest()[:6]


def folders(root: Path) -> list[Path]:
    """All sweeps of a store, those planned last at the end; none of an earlier version."""
    found = []
    for path in (root / SWEEPS).glob("*"):
        if _is_earlier(path / PLAN):
            continue
        try:
            found.append(((path / PLAN).stat().st_mtime, path))
        except OSError:  # no plan, or one that nobody can read
            if (path / PLAN).is_symlink():
                found.append((0.0, path))
    return [path for _, path in sorted(found)]


def _is_earlier(plan: Path) -> bool:
    try:
        with files.opened(plan) as file:
            return is_earlier(_id(file.readline(1000)))
    except (OSError, Damaged):
        return False


def _id(line: bytes) -> bytes:
    begin = len('{"run_id":"')
    return line[begin : line.find(b'"', begin)]


def find(root: Path, name: str) -> Path:
    """The latest sweep of that name, with or without its digest; raises UserError."""
    known = folders(root)
    for folder in reversed(known):
        if name in (folder.name, folder.name.rpartition("-")[0]):
            return folder
    legal = ", ".join(folder.name for folder in known) or "none yet"
    raise UserError(f"there is no sweep {name!r} in {root}; there are: {legal}")
