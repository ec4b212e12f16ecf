"""Writes a run's epochs as they pass, and the checkpoint from which it can go on exactly."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lossatlas.results import store
from lossatlas.training.modules import LossModule

CHECKPOINT = "last.ckpt"


class Journal(pl.Callback):
    """After each epoch: one line in `epochs.jsonl`, then the checkpoint, replaced in one step.

    A run killed between the two makes that epoch again and writes its line again; readers take
    the later one. Times are those of training alone, without validation.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._clock = (time.perf_counter(), time.process_time())
        self.spent: tuple[float, float] | None = None

    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        if trainer.state.fn == "fit":
            wall, cpu = self._clock
            self.spent = (time.perf_counter() - wall, time.process_time() - cpu)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: LossModule) -> None:  # type: ignore[override]
        assert self.spent is not None
        scored = "held_out" if trainer.datamodule.cfg.holdout else "test"  # type: ignore[attr-defined]
        line: dict[str, Any] = {"epoch": trainer.current_epoch + 1}
        line |= {key.replace("eval", scored): value for key, value in module.finish_epoch().items()}
        line |= {"lr": trainer.optimizers[0].param_groups[0]["lr"]}
        line |= dict(zip(("seconds", "cpu_seconds"), self.spent, strict=True))
        store.append_line(self.folder / "epochs.jsonl", line)
        if trainer.logger:
            trainer.logger.log_metrics({k: float(v) for k, v in line.items()}, line["epoch"])
        beside = self.folder / f"{CHECKPOINT}.part"
        trainer.save_checkpoint(beside)
        beside.replace(self.folder / CHECKPOINT)
