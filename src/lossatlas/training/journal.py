"""Writes a run's epochs as they pass, and the checkpoint from which it can go on exactly."""

import hashlib
import io
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lossatlas.results import files, store
from lossatlas.results.disk import room
from lossatlas.results.files import Damaged
from lossatlas.training import mirrors, stop
from lossatlas.training.modules import LossModule


def usable(folder: Path) -> str | None:
    """The last whole checkpoint of a run, as Lightning wants it; None if there is none.

    A checkpoint has in its name the number of its epochs and a digest of its content and of their
    lines. One that does not fit it is deleted: the run goes on from the one before, or from its
    beginning, to the same end. Of the epochs there remain those that the checkpoint confirms.
    """
    try:
        epochs = store.read_epochs(folder)
    except Damaged as error:
        print(f"{error}; the run goes on without it", flush=True)
        epochs = []
    found, confirmed = None, 0
    for path in sorted(folder.glob("*.ckpt"), reverse=True):
        number = path.stem.partition("-")[0]
        n = int(number) if number.isdecimal() else 0
        with suppress(OSError, Damaged):
            if 0 < n <= len(epochs) and path.name == _name(path, epochs[:n]):
                found, confirmed = str(path), n
                break
        print(f"{path.name} is damaged; the run goes on from an earlier epoch", flush=True)
        store.delete(path)
    store.keep_epochs(folder, epochs[:confirmed])
    return found


def _name(path: Path, epochs: list[dict[str, Any]]) -> str:
    """What the checkpoint at `path` is called, made when these epochs were."""
    digest = hashlib.sha256(json.dumps(epochs).encode())
    with files.opened(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"{len(epochs):05}-{digest.hexdigest()[:16]}.ckpt"


class Checkpoints(TorchCheckpointIO):
    """Writes a checkpoint where it belongs; Lightning's own goes through TMPDIR."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        """Write the file, of which a reader may see a part."""
        content = io.BytesIO()  # torch has words of its own for a full disk
        torch.save(checkpoint, content)
        with room():
            Path(path).write_bytes(content.getbuffer())


class Journal(pl.Callback):
    """After each epoch: one line in `epochs.jsonl`, then the checkpoint, renamed into place.

    A run killed between the two makes that epoch again and writes its line again; readers take
    the later one. Times are those of training alone, without validation. `check` is called before
    anything is written and raises when the run is no longer ours.
    """

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None):
        self.folder, self.check = folder, check

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._clock = (time.perf_counter(), time.process_time())
        self.spent: tuple[float, float] | None = None

    def on_train_batch_end(self, *_: Any) -> None:
        stop.check()

    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        if trainer.state.fn == "fit":
            wall, cpu = self._clock
            self.spent = (time.perf_counter() - wall, time.process_time() - cpu)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: LossModule) -> None:  # type: ignore[override]
        assert self.spent is not None
        self.check()
        scored = "held_out" if trainer.datamodule.cfg.holdout else "test"  # type: ignore[attr-defined]
        line: dict[str, Any] = {"epoch": trainer.current_epoch + 1}
        line |= {key.replace("eval", scored): value for key, value in module.finish_epoch().items()}
        line |= {"lr": trainer.optimizers[0].param_groups[0]["lr"]}
        line |= dict(zip(("seconds", "cpu_seconds"), self.spent, strict=True))
        with room():
            store.append_line(self.folder / "epochs.jsonl", line)
            if trainer.logger:
                mirrors.log(trainer.logger, line)
        beside = self.folder / "checkpoint.part"
        trainer.save_checkpoint(beside)  # which asks the loss for its state
        old = list(self.folder.glob("*.ckpt"))
        with room():
            beside.rename(self.folder / _name(beside, store.read_epochs(self.folder)))
            for path in old:
                path.unlink()
