"""What a trained network is worth: its evaluation bundle, and the numbers of the run's row."""

import hashlib
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from lossatlas.evaluation import bundle, metrics, temperature
from lossatlas.evaluation.probes import knn_accuracy, linear_probe_accuracy
from lossatlas.results import disk
from lossatlas.training.config import Config
from lossatlas.training.data import ImageData
from lossatlas.training.modules import Diverged, LossModule


def evaluate(
    cfg: Config, module: LossModule, data: ImageData, trainer: pl.Trainer, folder: Path
) -> dict[str, Any]:
    """The numbers of a trained network; with `holdout` its score alone, and no bundle.

    Where training images were left unused a temperature is fitted on them, with the targets that
    the scenario gives them, and what it makes of the test images is there too.

    Raises:
        Diverged: its logits are not finite.
    """
    sets = {}
    said = trainer.predict(module, data.predict_dataloader()) or []
    for (name, images), parts in zip(data.predicted.items(), said, strict=True):
        features, *logits = (
            torch.cat(batches).float().cpu() for batches in zip(*parts, strict=True)
        )
        sets[name] = bundle.Outputs(
            logits[0] if logits else None, features, images.labels.cpu(), images.indices.cpu(),
            data.classes,
        )  # fmt: skip
    test, train, unused = sets["test"], sets["train"], sets.pop("unused", None)
    probe = (train.features, train.labels, test.features, test.labels)
    for one in (test, unused):
        if one is not None and one.logits is not None and not one.logits.isfinite().all():
            raise Diverged("the trained model's logits are not finite")
    if cfg.holdout:  # scored on held-out training images: none of its numbers is a test number
        if test.logits is None:
            return {"score": knn_accuracy(*probe)}
        return {"score": metrics.hits(test.logits, data.scored.target.cpu()).double().mean().item()}
    with disk.room():
        bundle.save(folder / "bundle.safetensors", sets)
    numbers: dict[str, Any] = {"weights_sha256": _digest(module)}
    if test.logits is not None:
        numbers |= metrics.summary(test.logits, test.labels)
        numbers |= metrics.by_class_size(test.logits, test.labels, data.class_sizes())
        if unused is None or unused.logits is None:
            return numbers | {"temperature_images": 0}
        found = temperature.fitted(unused.logits, data.predicted["unused"].target.cpu())
        numbers |= {"temperature": found, "temperature_images": len(unused.labels)}
        return numbers | metrics.scaled(test.logits, test.labels, found)
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
