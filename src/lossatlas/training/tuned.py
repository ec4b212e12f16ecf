"""Tables of learning rates: one a recipe and scenario, a rate a loss, and how it was found.

    conf/tuned/<recipe>/<scenario>.yaml        those that come with the package
    <runs>/.tuned/<recipe>/<scenario>.yaml     those found with a run store, which count first

A rate belongs to a loss (found at its defaults, used whatever its hyperparameters), a recipe, a
scenario with its parameters, a network and a set of images.
"""

import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, OmegaConf

from lossatlas import resources, writing
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.models import own
from lossatlas.names import scenario_key
from lossatlas.results import rate_tables, store

HEADER = """\
# Learning rates found by `lossatlas tune` on held-out training images, never on the test set: one
# rule for every loss. Read by ${tuned:...} in conf/recipe/. Do not edit.
"""


class Cell(NamedTuple):
    """What a rate belongs to; `scenario` has its parameters: symmetric_noise-probability=0.4."""

    recipe: str
    scenario: str
    model: str
    data: str
    loss: str


def cell(cfg: DictConfig) -> Cell:
    """The cell of a composed configuration, whose recipe need not be resolved yet."""
    scenario: Any = OmegaConf.to_container(cfg.scenario)
    arch = cfg.model.arch
    model = arch if own.is_own(arch) else cfg.model.name
    where = scenario_key(scenario.pop("name"), scenario)
    return Cell(cfg.recipe.name, where, model, cfg.data.name, cfg.loss.name)


def default(lr: float, *, _root_: DictConfig) -> float:
    """The resolver `tuned`: the rate found for the loss, else `lr` over the loss's steepness."""
    where = cell(_root_)
    if (found := find(where, store_of(_root_))) is not None:
        return found
    return lr / steepness(where.loss)


def steepness(loss: str) -> float:
    """What the card of a loss says of the size of its gradients; 1 without a card."""
    return registry.get_card(loss).steepness if registry.has_card(loss) else 1


def store_of(cfg: DictConfig) -> Path:
    """The run store of a configuration."""
    return Path(cfg.runs or store.runs_dir())


def find(where: Cell, runs: Path) -> float | None:
    """The rate of a cell, or None; raises UserError for a table that is damaged."""
    for root in (runs / store.TUNED, resources.folder("conf") / "tuned"):
        table = read(file(root, where))
        if table and all(table[name] == getattr(where, name) for name in rate_tables.WHERE):
            rate = table["chosen"].get(where.loss)
            if rate is not None:
                return float(rate)
    return None


def file(root: Path, where: Cell) -> Path:
    """The file of a cell's table below a folder of tables."""
    return root / where.recipe / f"{where.scenario}.yaml"


@cache
def read(path: Path) -> dict[str, Any] | None:
    """The table in a file, None if there is none; raises UserError if it is damaged."""
    return rate_tables.read(path) if path.is_file() else None


def write(root: Path, where: Cell, protocol: str, found: Mapping[str, Any]) -> Path:
    """Put what was found for some losses into the table of `where`, in the place of what it has.

    Several processes may write into one table; it keeps what each of them found.

    Args:
        root: folder of tables.
        where: any cell of the table.
        protocol: how the rates were found; a table has one.
        found: for each loss its `trials`, its `chosen` rate (None: all diverged) and what is
            `said` of the choice.

    Raises:
        UserError: the table that is there is damaged, or of another network, data or protocol, or
            cannot be written.
    """
    path = file(root, where)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.parent, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            document = _joined(path, where, protocol, found)
            text = yaml.safe_dump(document, sort_keys=False, width=100, default_flow_style=None)
            writing.write(path, HEADER + text)
        finally:
            os.close(lock)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    read.cache_clear()
    return path


def check(root: Path, where: Cell, protocol: str) -> None:
    """Raise UserError, as `write` would, for a table that rates found so cannot join."""
    _joined(file(root, where), where, protocol, {})


def _joined(path: Path, where: Cell, protocol: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The table at `path`, as it is there now, with what was found in the place of what it has."""
    new: dict[str, Any] = {name: getattr(where, name) for name in rate_tables.WHERE} | {
        "protocol": protocol
    }
    for field in ("chosen", "said"):
        new[field] = {loss: one[field] for loss, one in found.items() if one[field] is not None}
    new["trials"] = [trial for one in found.values() for trial in one["trials"]]
    old = read.__wrapped__(path) or new
    if name := rate_tables.apart(new, old):
        raise UserError(
            f"{path}: field {name!r} is {old[name]!r}, but these rates have {new[name]!r}; "
            "delete the table, or write to another folder"
        )
    return rate_tables.joined(new, old)
