"""Weights & Biases as a mirror of a run: offline unless the user is logged in, never asking."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wandb
from pytorch_lightning.loggers import WandbLogger

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Wandb(WandbLogger):
    """One wandb run for a run, in its folder `wandb/`, grouped by sweep and loss.

    `WANDB_MODE` decides if it is set; otherwise wandb is asked whether it has a login for its
    server, and the answer is printed. A server that cannot be reached never costs a run: the mirror
    then stays offline (`wandb sync` uploads it later).
    """

    def __init__(self, project: str, folder: Path, start: dict[str, Any]):
        mode, why = _mode()
        print(f"logger=wandb is {mode}: {why}", file=sys.stderr)
        try:
            run = _init(mode, project, folder, start)
        except (wandb.errors.Error, TimeoutError) as error:
            reason = " ".join(str(error).split())
            print(f"wandb: not reached ({reason}); this run is mirrored offline", file=sys.stderr)
            wandb.teardown()  # the failed run holds its id and has left a folder
            shutil.rmtree(folder / "wandb", ignore_errors=True)
            run = _init("offline", project, folder, start)
        run.define_metric("epoch", summary="none")
        run.define_metric("*", step_metric="epoch", summary="none")  # the summary is the row's
        super().__init__(project=project, experiment=run)

    @property
    def resumed(self) -> bool:
        """Whether the server has the epochs that were made before."""
        return bool(self.experiment.resumed)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """One record of the history; Lightning would add the epoch a second time, as a step."""
        self.experiment.log(dict(metrics))

    def summarise(self, start: dict[str, Any], rest: dict[str, Any]) -> None:
        """The summary: what the row says beyond its start, which is the configuration."""
        self.experiment.summary.update(rest)

    def show(self, figures: dict[str, "Figure"]) -> None:
        """Log figures by name."""
        if figures:
            self.experiment.log({name: wandb.Image(figure) for name, figure in figures.items()})

    def close(self, failed: bool) -> None:
        """End the wandb run; only the first call counts."""
        self.experiment.finish(exit_code=int(failed))


def _init(mode: Any, project: str, folder: Path, start: dict[str, Any]) -> "wandb.Run":
    return wandb.init(
        mode=mode,
        project=project,
        id=start["run_id"],
        name=start["run_id"],
        group=start["sweep"] or start["loss"],
        job_type=start["loss"],
        tags=[start["scenario"], start["recipe"]],
        config=start,
        dir=folder,
        reinit="create_new",  # never join another run of this process
        resume="allow" if mode == "online" else None,
        settings=wandb.Settings(silent=True, console="off", init_timeout=30, finish_timeout=300),
    )


def _mode() -> tuple[str, str]:
    """How wandb is to log, and why: as it is told, else online only where it has a login.

    It looks for one in its variables, its settings and .netrc, for the server that it is to use.
    """
    if mode := os.environ.get("WANDB_MODE"):
        return mode, "WANDB_MODE says so"
    settings = wandb.setup(settings=wandb.Settings(silent=True)).settings
    if settings.mode != "online":
        return settings.mode, "wandb's settings say so"
    try:
        if wandb.login(prompt=False, verify=False):
            return "online", f"wandb is logged in to {settings.base_url}"
    except wandb.errors.Error as error:
        return "offline", " ".join(str(error).split())
    return "offline", f"wandb has no login for {settings.base_url} ('wandb login' makes one)"
