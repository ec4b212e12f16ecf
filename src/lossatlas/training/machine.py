"""Where a run is made: its process, its device, and the processor and instructions of torch.

Runs of one id are bit-identical on one machine. Another kind of processor sums in another order,
and after some hundred steps the weights differ visibly, accuracies by up to two points.
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lossatlas.errors import UserError

FIELDS = ("hardware", "cpu", "cpu_capability", "precision")
BF16 = {"avx512_bf16", "amx_bf16"}  # flags of processors
# They choose other kernels for the same configuration, so a row keeps them where they are set.
VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")


def one_process() -> None:
    """Raise UserError in one of several processes that would share a batch.

    A loss of batches sees whole ones here: its value is no mean over the parts of a batch.
    """
    shared = torch.distributed.is_available() and torch.distributed.is_initialized()
    told = os.environ.get("WORLD_SIZE", "1")
    world = str(torch.distributed.get_world_size()) if shared else told
    if world not in ("", "1"):
        raise UserError(
            f"WORLD_SIZE is {world}, but a run is trained by one process on one device; start it "
            "without torchrun (a sweep has workers of its own: launcher.workers=N)"
        )


def pick_device(accelerator: str) -> torch.device:
    """The device of `cpu`, `gpu` or `auto`; raises UserError when there is no such GPU."""
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError("accelerator is gpu, but torch sees no CUDA device; use accelerator=cpu")
    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def precision(asked: str, device: torch.device) -> str:
    """The precision that a run is computed in, which its row keeps.

    A GPU has what the recipe asks for. A processor has float32, and bf16-mixed if that is asked for
    and it has instructions for bfloat16, without which it would only be slower.
    """
    if device.type == "cuda":
        return asked
    if asked == "bf16-mixed" and BF16 & set(_first_processor().get("flags", "").split()):
        return asked
    return "32-true"


def describe(device: torch.device) -> dict[str, str]:
    """The fields `hardware`, `cpu` and `cpu_capability` of a row.

    `hardware` names the GPU, or the processor with its number of cores. `cpu` tells processors
    of one name apart: vendor, family, model and stepping. `cpu_capability` is the vector
    instructions that torch uses, with what the environment says against them.
    """
    first = _first_processor()
    name = first.get("model name") or platform.processor() or platform.machine()
    cuda, cores = device.type == "cuda", os.cpu_count()
    parts = [f"{key} {first[key]}" for key in ("cpu family", "model", "stepping") if key in first]
    capability = torch.backends.cpu.get_cpu_capability()
    changed = [f"{key}={os.environ[key]}" for key in VARIABLES if os.environ.get(key)]
    return {
        "hardware": torch.cuda.get_device_name(device) if cuda else f"{name}, {cores} cores",
        "cpu": ", ".join([first.get("vendor_id", platform.machine()), *parts]),
        "cpu_capability": ", ".join([capability, *changed]),
    }


def joined(before: Mapping[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The row `now` of a run that goes on where the row `before` began: made on both machines."""
    held = {key: str(before[key]).split("; ") for key in FIELDS if before.get(key)}
    return now | {
        key: "; ".join(dict.fromkeys([*machines, now[key]])) for key, machines in held.items()
    }


def _first_processor() -> dict[str, str]:
    """The first block of /proc/cpuinfo; empty where there is none."""
    try:
        block = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
