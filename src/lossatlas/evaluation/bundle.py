"""The evaluation bundle of a run: what its model said, so that no analysis needs it."""

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
    float32 (stored as float16), labels (N,) int64, indices (N,) int64 into the data set."""

    logits: Tensor | None
    features: Tensor
    labels: Tensor
    indices: Tensor


def save(path: Path, sets: dict[str, Outputs]) -> None:
    """Write named sets (`test`, `train`) as one safetensors file."""
    tensors = {}
    for name, outputs in sets.items():
        for field, tensor in outputs._asdict().items():
            if tensor is not None:
                stored = tensor.half() if field == "features" else tensor
                tensors[f"{name}/{field}"] = stored.contiguous().cpu()
    path.write_bytes(serialised(tensors))  # save_file lets nobody else read what it writes


def load(path: Path, name: str = "test") -> Outputs:
    """Read one set back; raises as `load_logits` does."""
    stored = _read(path, name, ("logits", "features", "labels", "indices"))
    features = stored["features"].float()
    return Outputs(stored.get("logits"), features, stored["labels"], stored["indices"])


def load_logits(path: Path, name: str = "test") -> tuple[Tensor, Tensor] | None:
    """Logits and labels of one set, without reading its features; None for embedders.

    Raises:
        FileNotFoundError: the run left no bundle.
        Damaged: the file is no bundle, or its tensors do not fit each other.
    """
    stored = _read(path, name, ("logits", "labels"))
    return (stored["logits"], stored["labels"]) if "logits" in stored else None


def _read(path: Path, name: str, fields: Sequence[str]) -> dict[str, Tensor]:
    """Those fields of a set that are there, checked; all but the logits must be."""
    files.opened(path).close()
    try:
        with safe_open(path, framework="pt") as file:
            held = set(file.keys())
            stored = {
                field: file.get_tensor(f"{name}/{field}")
                for field in fields
                if field != "logits" or f"{name}/logits" in held
            }
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
    return stored
