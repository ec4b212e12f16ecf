"""What a trained network is worth: its evaluation bundle, and the numbers of the run's row."""

import hashlib
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from lossatlas.evaluation import bundle, metrics
from lossatlas.evaluation.probes import knn_accuracy, linear_probe_accuracy
from lossatlas.results import disk
from lossatlas.training.config import Config
from lossatlas.training.data import ImageData
from lossatlas.training.modules import Diverged, LossModule


def evaluate(
    cfg: Config, module: LossModule, data: ImageData, trainer: pl.Trainer, folder: Path
) -> dict[str, Any]:
    """The numbers of a trained network; with `holdout` its score alone, and no bundle.

    Raises:
        Diverged: its logits are not finite.
    """
    sets = {}
    for name, images, parts in zip(
        ("test", "train"),
        (data.scored, data.subset),
        trainer.predict(module, data.predict_dataloader()) or [],
        strict=True,
    ):
        features, *logits = (
            torch.cat(batches).float().cpu() for batches in zip(*parts, strict=True)
        )
        sets[name] = bundle.Outputs(
            logits[0] if logits else None, features, images.labels.cpu(), images.indices.cpu(),
            data.classes,
        )  # fmt: skip
    test, train = sets["test"], sets["train"]
    probe = (train.features, train.labels, test.features, test.labels)
    if test.logits is not None and not torch.isfinite(test.logits).all():
        raise Diverged("the trained model's logits are not finite")
    if cfg.holdout:  # scored on held-out training images: none of its numbers is a test number
        if test.logits is None:
            return {"score": knn_accuracy(*probe)}
        return {"score": metrics.hits(test.logits, data.scored.target.cpu()).double().mean().item()}
    with disk.room():
        bundle.save(folder / "bundle.safetensors", sets)
    numbers: dict[str, Any] = {"weights_sha256": _digest(module)}
    if test.logits is not None:
        return numbers | metrics.summary(test.logits, test.labels)
    numbers["knn_accuracy"] = knn_accuracy(*probe)
    numbers["probe_accuracy"] = linear_probe_accuracy(*probe)
    return numbers


def _digest(module: nn.Module) -> str:
    """SHA-256 of all weights and buffers: equal digests mean models of equal bits."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
