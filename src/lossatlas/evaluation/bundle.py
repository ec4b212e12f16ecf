"""The evaluation bundle of a run: what its model said, so that no analysis needs it."""

from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open
from safetensors.torch import save as serialised
from torch import Tensor


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
    """Read one set back; raises FileNotFoundError when the run left no bundle."""
    with safe_open(path, framework="pt") as file:
        keys = {key.split("/")[1]: key for key in file.keys() if key.startswith(f"{name}/")}  # noqa: SIM118
        stored = {field: file.get_tensor(key) for field, key in keys.items()}
    features = stored["features"].float()
    return Outputs(stored.get("logits"), features, stored["labels"], stored["indices"])


def load_logits(path: Path, name: str = "test") -> tuple[Tensor, Tensor] | None:
    """Logits and labels of one set, without reading its features; None for embedders.

    Raises FileNotFoundError when the run left no bundle.
    """
    with safe_open(path, framework="pt") as file:
        if f"{name}/logits" not in file.keys():  # noqa: SIM118
            return None
        return file.get_tensor(f"{name}/logits"), file.get_tensor(f"{name}/labels")
