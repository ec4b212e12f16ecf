"""The evaluation bundle of a run: what its model said, so that no analysis needs it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor

from lossatlas.results import files
from lossatlas.results.files import Damaged

KINDS = {
    "logits": (torch.float32, 2), "features": (torch.float16, 2),
    "labels": (torch.int64, 1), "indices": (torch.int64, 1),
}  # fmt: skip


class Outputs(NamedTuple):
    """A model on one image set: logits (N, K) float32 (None for embedders), features (N, D)
    float32 (stored as float16), labels (N,) int64, indices (N,) int64 into the data set, and the
    names of the classes, the empty tuple where they are not known."""

    logits: Tensor | None
    features: Tensor
    labels: Tensor
    indices: Tensor
    classes: tuple[str, ...] = ()


def save(path: Path, sets: dict[str, Outputs]) -> None:
    """Write named sets (`test`, `train`), which share their classes, as one safetensors file."""
    tensors: dict[str, Tensor] = {}
    classes: tuple[str, ...] = ()
    for name, outputs in sets.items():
        classes = outputs.classes
        for field in KINDS:
            tensor = getattr(outputs, field)
            if tensor is not None:
                stored = tensor.half() if field == "features" else tensor
                tensors[f"{name}/{field}"] = stored.contiguous().cpu()
    # save_file lets nobody else read what it writes
    path.write_bytes(serialised(tensors, {"classes": json.dumps(classes)}))


def load(path: Path, name: str = "test") -> Outputs:
    """Read one set back; raises as `load_logits` does."""
    stored, classes = _read(path, name, tuple(KINDS))
    features = stored["features"].float()
    return Outputs(stored.get("logits"), features, stored["labels"], stored["indices"], classes)


class Scores(NamedTuple):
    """Logits (N, K) float32 and labels (N,) int64 of one set, and what `Outputs` has of classes."""

    logits: Tensor
    labels: Tensor
    classes: tuple[str, ...]


def load_logits(path: Path, name: str = "test") -> Scores | None:
    """The scores of one set, without reading its features; None for embedders.

    Raises:
        FileNotFoundError: the run left no bundle.
        Damaged: the file is no bundle, or its tensors do not fit each other.
    """
    stored, classes = _read(path, name, ("logits", "labels"))
    return Scores(stored["logits"], stored["labels"], classes) if "logits" in stored else None


def _read(
    path: Path, name: str, fields: Sequence[str]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Those fields of a set that are there, checked, and the classes; only logits may be absent."""
    files.opened(path).close()
    try:
        with safe_open(path, framework="pt") as file:
            held = set(file.keys())
            stored = {
                field: file.get_tensor(f"{name}/{field}")
                for field in fields
                if field != "logits" or f"{name}/logits" in held
            }
            classes = json.loads((file.metadata() or {}).get("classes", "[]"))
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Damaged(f"{path}: cannot be read ({error})") from None
    for field, tensor in stored.items():
        (dtype, dim), n = KINDS[field], stored["labels"].numel()
        if tensor.dtype != dtype or tensor.dim() != dim or tensor.shape[0] != n or not n:
            shape = f"{tensor.dtype} of shape {tuple(tensor.shape)}".removeprefix("torch.")
            raise Damaged(f"{path}: {name}/{field} is {shape}, for {n} images")
        if field == "logits" and not tensor.isfinite().all():
            raise Damaged(f"{path}: {name}/{field} is not finite")
    labels, k = stored["labels"], stored["logits"].shape[1] if "logits" in stored else 2**31
    if labels.min() < 0 or labels.max() >= k:
        raise Damaged(f"{path}: {name}/labels are not all classes from 0 to {k - 1}")
    named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if not named or ("logits" in stored and len(classes) not in (0, k)):
        raise Damaged(f"{path}: its metadata hold no names of {k} classes")
    return stored, tuple(classes)
