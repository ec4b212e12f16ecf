"""Sweeps on disk: what was planned, so that any process that sees the folder can work on it.

    runs/.sweeps/<name>/plan.jsonl     one line a run: its id and all that is needed to make it
    runs/.sweeps/<name>/sweep.yaml     the sweep as a file for `lossatlas train -m sweep=...`
    runs/.sweeps/<name>/worker-*.log   what its workers printed

A sweep's name ends in a digest of its runs' ids: the same runs make the same sweep.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lossatlas.errors import UserError

SWEEPS = ".sweeps"
PLAN = "plan.jsonl"


class Planned(NamedTuple):
    """One run of a sweep; `config` is its resolved configuration, as plain data."""

    run_id: str
    config: dict[str, Any]
    target: str
    lr_source: str

    @property
    def epochs(self) -> int:
        """How many epochs the run has."""
        return int(self.config["recipe"]["epochs"])


def write(root: Path, study: str | None, grids: list[str], plan: list[Planned]) -> Path:
    """Put a plan into the store; returns the sweep's folder. Raises UserError if it cannot."""
    digest = hashlib.sha256("\n".join(run.run_id for run in plan).encode()).hexdigest()[:6]
    folder = root / SWEEPS / f"{study or 'sweep'}-{digest}"
    lines = "".join(json.dumps(run._asdict(), separators=(",", ":")) + "\n" for run in plan)
    text = "# @package hydra.sweeper\n" + yaml.safe_dump({"grids": grids}, width=1000)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("sweep.yaml", text), (PLAN, lines)):
            beside = folder / f"{name}.{os.getpid()}"  # two launchers may plan the same sweep
            beside.write_text(content)
            beside.replace(folder / name)
    except OSError as error:
        raise UserError(f"{folder}: the sweep cannot be written ({error.strerror})") from None
    return folder


def read(folder: Path) -> list[Planned]:
    """The plan of a sweep, in order."""
    with (folder / PLAN).open() as file:
        return [Planned(**json.loads(line)) for line in file]


def ids(folder: Path) -> list[str]:
    """The ids of a sweep's runs, without reading the rest of its plan (which may be large)."""
    begin = len('{"run_id":"')
    with (folder / PLAN).open() as file:
        return [line[begin : line.index('"', begin)] for line in file]


def folders(root: Path) -> list[Path]:
    """All sweeps of a store, those planned last at the end."""
    plans = (root / SWEEPS).glob(f"*/{PLAN}")
    return [path.parent for path in sorted(plans, key=lambda path: path.stat().st_mtime)]


def find(root: Path, name: str) -> Path:
    """The latest sweep of that name, with or without its digest; raises UserError."""
    known = folders(root)
    for folder in reversed(known):
        if name in (folder.name, folder.name.rpartition("-")[0]):
            return folder
    legal = ", ".join(folder.name for folder in known) or "none yet"
    raise UserError(f"there is no sweep {name!r} in {root}; there are: {legal}")
