"""A made-up run store, written through the real store functions."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from lossatlas.data.cifar10 import CLASSES
from lossatlas.evaluation import bundle, metrics
from lossatlas.results import store

TARGETS = {
    "cross_entropy": ("likelihood", "class_index"),
    "focal": ("likelihood", "class_index"),
    "label_smoothing": ("likelihood", "class_index"),
    "crammer_singer_hinge": ("margin", "class_index"),
    "set_margin_hinge": ("margin", "label_set"),
    "nt_xent": ("contrastive_two_view", "two_view"),
}
SKILL = {"cross_entropy": 3.1, "focal": 3.0, "label_smoothing": 3.2, "crammer_singer_hinge": 2.3}
SCALE = {"focal": 0.8, "label_smoothing": 0.7, "crammer_singer_hinge": 0.5}


def add_run(
    root: Path, loss: str, scenario: str, seed: int, state: str = "done", **changes: Any
) -> Path:
    """One run folder; `changes` overwrite fields of its row."""
    family, target = TARGETS.get(loss, ("likelihood", "class_index"))
    folder = root / f"{loss}-{scenario}-quick-s{seed}-{len(loss):012x}"
    folder.mkdir(parents=True)
    row: dict[str, Any] = {
        "run_id": folder.name, "loss": loss, "family": family, "target": target,
        "scenario": scenario, "recipe": "quick", "model": "airnet", "data": "cifar10",
        "seed": seed, "state": state,
        "epochs": 3, "lr": 0.375, "holdout": 0, "train_s": 61.5 + seed,
        "wall_s": 70.0, "cpu_s": 69.0,
        "weight_decay": 1.3e-3, "momentum": 0.85, "batch_size": 256, "device": "cpu",
        "hardware": "a processor", "threads": 1, "torch": "2.13.0", "lightning": "2.6.4",
        "lossatlas": "0.1.0", "python": "3.11.2", "started": 1_790_000_000.0 + 60 * seed,
        "parameters": 95_000, "lr_source": "tuned",
    }  # fmt: skip
    if state != "failed":
        row |= (
            _embedded(folder, seed)
            if loss == "nt_xent"
            else _classified(folder, loss, scenario, seed)
        )
    row |= changes
    config = {
        "loss": {"name": loss},
        "scenario": {"name": scenario, "probability": 0.5 * (scenario != "clean")},
        "model": {"name": "airnet", "widths": [24, 48, 96]}, "data": {"name": "cifar10",
        "n_train": 0},
        "recipe": {"name": "quick", "epochs": 3, "lr": 0.375, "warmup": 0.23}, "seed": seed,
        "runs": "/a/folder/of/this/machine",
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    store.write_json(folder / "row.json", row)
    return folder


def _classified(folder: Path, loss: str, scenario: str, seed: int) -> dict[str, float]:
    shared = np.random.default_rng(seed)  # the seed's own data order is shared by all losses
    own = np.random.default_rng([seed, len(loss), len(scenario)])
    labels = np.repeat(np.arange(10), 40)
    logits = shared.normal(size=(400, 10)) + 0.6 * own.normal(size=(400, 10))
    logits[np.arange(400), labels] += SKILL.get(loss, 2.5) - 0.6 * (scenario != "clean")
    logits[:, 5] += 0.8 * (labels == 3)  # cats look like dogs
    scaled = torch.from_numpy(SCALE.get(loss, 1.0) * 1.3 * logits).float()
    outputs = bundle.Outputs(
        scaled, torch.zeros(400, 2), torch.from_numpy(labels), torch.arange(400), CLASSES
    )
    bundle.save(folder / "bundle.safetensors", {"test": outputs})
    found = metrics.summary(scaled, outputs.labels)
    for epoch in (1, 2, 3):
        accuracy = found["test_accuracy"] * (0.6 + 0.4 * epoch / 3)
        store.append_line(
            folder / "epochs.jsonl",
            {"epoch": epoch, "train_loss": 2.0 / epoch, "train_accuracy": accuracy - 0.03,
             "test_accuracy": accuracy, "test_nll": 1.5 / epoch, "lr": 0.1, "seconds": 20.0},
        )  # fmt: skip
    return found | {"best_test_accuracy": found["test_accuracy"] + 0.002}


def _embedded(folder: Path, seed: int) -> dict[str, float]:
    outputs = bundle.Outputs(None, torch.zeros(400, 2), torch.zeros(400).long(), torch.arange(400))
    bundle.save(folder / "bundle.safetensors", {"test": outputs})
    for epoch in (1, 2, 3):
        line = {
            "epoch": epoch,
            "seconds": 20.0,
            "train_loss": 5.0 / epoch,
            "knn_accuracy": 0.3 + 0.05 * epoch + 0.004 * seed,
        }
        store.append_line(folder / "epochs.jsonl", line)
    return {
        "knn_accuracy": 0.45 + 0.004 * seed, "probe_accuracy": 0.51 + 0.002 * seed,
        "knn_accuracy_untrained": 0.31 + 0.001 * seed,
    }  # fmt: skip
