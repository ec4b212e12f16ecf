"""Weights & Biases as a mirror of a run: offline unless the user is logged in, never asking."""

import netrc
import os
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger

from lossatlas.training.config import Config


def wandb_logger(cfg: Config, folder: Path, row: dict[str, Any]) -> WandbLogger:
    """A started logger with the row's keys as its configuration.

    `WANDB_MODE` decides if it is set; otherwise online only with a key. A server that cannot be
    reached never costs a run: the mirror then stays offline (`wandb sync` uploads it later).
    """
    offline = os.environ.get("WANDB_MODE", "online" if _has_key() else "offline") != "online"
    try:
        return _start(cfg, folder, row, offline)
    except (wandb.errors.Error, TimeoutError) as error:
        wandb.teardown()
        print(f"wandb: the server was not reached ({error}); this run is mirrored offline")
        return _start(cfg, folder, row, offline=True)


def _start(cfg: Config, folder: Path, row: dict[str, Any], offline: bool) -> WandbLogger:
    logger = WandbLogger(
        project=cfg.logger.project,
        name=row["run_id"],
        id=row["run_id"],
        group=row["loss"],
        save_dir=folder,
        offline=offline,
        resume=None if offline else "allow",
        config=row,
        settings=wandb.Settings(silent=True, console="off", init_timeout=30),
    )
    _ = logger.experiment  # starts the run now, so that a failure shows here
    return logger


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
