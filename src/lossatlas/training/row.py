"""The row of a run: what is known before training, and what its epochs say."""

import platform
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

import lossatlas
from lossatlas.losses import expression, registry, source
from lossatlas.losses.base import Loss
from lossatlas.results import store
from lossatlas.training import identity, machine
from lossatlas.training.config import Config


def begun(
    run: str,
    cfg: Config,
    config: dict[str, Any],
    loss: Loss,
    device: torch.device,
    lr_source: str,
    sweep: str | None,
    chosen_on: str | None,
) -> dict[str, Any]:
    """What is known before training."""
    hyperparameters = {f"loss.{k}": v for k, v in config["loss"].items() if k != "name"}
    return {
        "run_id": run,
        "loss": cfg.loss.name,
        "family": _family(config["loss"]),
        "target": loss.target,
        "seed": cfg.seed,
        **identity.ground(config),
        **hyperparameters,
        "epochs": cfg.recipe.epochs,
        "batch_size": cfg.recipe.batch_size,
        "lr": cfg.recipe.lr,
        "lr_source": lr_source,
        **({"teacher": cfg.teacher} if cfg.teacher else {}),
        "source": source.digest(loss),
        "sweep": sweep,
        **({"chosen_on": chosen_on} if chosen_on else {}),
        "momentum": cfg.recipe.momentum,
        "weight_decay": cfg.recipe.weight_decay,
        "holdout": cfg.holdout,
        "threads": cfg.threads,
        "device": device.type,
        "precision": machine.precision(cfg.recipe.precision, device),
        **machine.describe(device),
        "torch": torch.__version__,
        "lightning": pl.__version__,
        "lossatlas": lossatlas.__version__,
        "python": platform.python_version(),
        "started": round(time.time()),
    }


def _family(conf: dict[str, Any]) -> str:
    """The family of a loss; of a sum, the families of its terms."""
    names = [conf["name"]]
    if conf["name"] == registry.SUM:
        names = [term.name for term in expression.parse(conf["terms"])]
    return " + ".join(dict.fromkeys(registry.find(name).family for name in names))


def from_epochs(folder: Path, cfg: Config) -> dict[str, Any]:
    """The part of the row that the epochs say."""
    epochs = store.read_epochs(folder)
    accuracies = [e["test_accuracy"] for e in epochs if "test_accuracy" in e]
    return {
        "best_test_accuracy": max(accuracies) if accuracies and not cfg.holdout else None,
        "train_s": round(sum(e["seconds"] for e in epochs), 2),
        "cpu_s": round(sum(e["cpu_seconds"] for e in epochs), 2),
    }
