"""Mirrors of a run in wandb or TensorBoard, by Lightning's loggers; our files stay the truth.

What is known before training is a mirror's configuration, every epoch's line its history, the rest
of the row its summary; figures come last. Trouble with a mirror is printed and never costs a run.
"""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import Logger

from lossatlas.errors import UserError
from lossatlas.evaluation import bundle
from lossatlas.results import store
from lossatlas.training.config import Config

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lossatlas.training.tensorboard_mirror import TensorBoard
    from lossatlas.training.wandb_mirror import Wandb

    Mirror = TensorBoard | Wandb


def check(kind: str) -> None:
    """Raise UserError unless the package of the mirror is installed."""
    if kind == "tensorboard" and importlib.util.find_spec(kind) is None:
        raise UserError("logger=tensorboard needs a package; pip install lossatlas[tensorboard]")


@contextmanager
def mirrored(cfg: Config, folder: Path, start: dict[str, Any]) -> Iterator["Mirror | None"]:
    """The mirror of the run in `folder` whose row begins with `start`; None without one.

    However the run ends, its mirror is closed: as a failure, unless it was completed.
    """
    mirror = _open(cfg, folder, start)
    try:
        yield mirror
    finally:
        if mirror:
            with _harmless():
                mirror.close(failed=True)


def log(mirror: Logger, line: dict[str, Any]) -> None:
    """Tell a mirror the line of an epoch."""
    with _harmless():
        mirror.log_metrics({key: float(value) for key, value in line.items()}, line["epoch"])


def complete(mirror: "Mirror", folder: Path, start: dict[str, Any], row: dict[str, Any]) -> None:
    """Tell a mirror what the row says beyond its `start`, show it the figures, and close it."""
    with _harmless():
        mirror.summarise(start, {key: row[key] for key in row if key not in start})
    with _harmless():
        mirror.show(_figures(folder))
    with _harmless():
        mirror.close(failed=row["state"] == "failed")


def _open(cfg: Config, folder: Path, start: dict[str, Any]) -> "Mirror | None":
    kind = cfg.logger.name
    if kind == "none":
        return None
    shutil.rmtree(folder / kind, ignore_errors=True)  # of a run that was cut off: it is told anew
    mirror: Mirror | None = None
    with _harmless():
        if kind == "wandb":
            from lossatlas.training.wandb_mirror import Wandb

            mirror = Wandb(cfg.logger.project, folder, start)
        else:
            from lossatlas.training.tensorboard_mirror import TensorBoard

            mirror = TensorBoard(folder, start)
        for line in [] if mirror.resumed else store.read_epochs(folder):
            log(mirror, line)
    return mirror


def _figures(folder: Path) -> dict[str, "Figure"]:
    file = folder / "bundle.safetensors"
    if not file.is_file():  # diverged, failed, or scored on held-out images
        return {}
    from lossatlas.evaluation import figures  # drawing libraries take a second to load

    return figures.draw(bundle.load(file))


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"the mirror of this run is not complete: {reason}", file=sys.stderr)
