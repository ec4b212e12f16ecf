"""Store what losses of other libraries give that are too heavy for the tests.

Writes tests/peers/stored.json: for each of their rows in tests/peers/ledger.py the inputs, values
and gradients in float64. To be run once a version, with a Python of its own:

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install -c constraints.txt . monai==1.6.1 optax==0.2.8 timm==1.0.31 \\
        lightly==1.6.0 torch-uncertainty==0.13.0
    /tmp/peers/bin/python scripts/store_peers.py

torch-uncertainty's losses are read as a file, as the package wants a second Lightning.
"""

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from peers import ledger


def as_a_file(package: str, inside: str) -> None:
    """Make one file of a package its module of losses, without importing the package."""
    folder = Path(importlib.util.find_spec(package).origin).parent
    spec = importlib.util.spec_from_file_location(f"{package}.losses", folder / inside)
    losses = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(losses)
    sys.modules[package] = ModuleType(package)
    sys.modules[package].losses = losses


def without_compiled_vision() -> torch.library.Library | None:
    """Name the operators that torchvision looks up, where its compiled part does not load.

    They last as long as what is returned.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        return library
    return None


def of_jax(row: ledger.Row, b: dict[str, Tensor]) -> ledger.Found:
    """As `ledger.theirs`, of a call on JAX's arrays."""
    import jax

    jax.config.update("jax_enable_x64", True)
    arrays = {
        key: jax.numpy.asarray(x.numpy()) if isinstance(x, Tensor) else x
        for key, x in ledger.words(b).items()
    }

    def value(s: jax.Array) -> jax.Array:
        return ledger.evaluated(row, row.call, {**arrays, "s": s})

    gradient = jax.grad(lambda s: value(s).mean())(arrays["s"])
    numbers = value(arrays["s"]).tolist(), gradient.tolist()
    given, slope = (torch.tensor(x, dtype=torch.float64) for x in numbers)
    return given, [slope]


def main() -> None:
    operators = without_compiled_vision()  # noqa: F841
    as_a_file("torch_uncertainty", "losses/classification.py")
    batches = [ledger.batch(size, seed) for seed, size in enumerate(ledger.SIZES)]
    rows = {}
    for row in ledger.LEDGER:
        peer = ledger.PEERS[row.peer]
        if not peer.stored:
            continue
        if (version := importlib.metadata.version(row.peer)) != peer.version:
            sys.exit(f"{row.peer} is {version} here, and {peer.version} in the ledger")
        computed = of_jax if row.peer == "optax" else ledger.theirs
        rows[ledger.key(row)] = [
            {"value": value.tolist(), "gradients": [x.tolist() for x in gradients]}
            for value, gradients in (computed(row, b) for b in batches)
        ]
    inputs = [{key: x.tolist() for key, x in b.items()} for b in batches]
    text = json.dumps({"batches": inputs, "rows": rows}, separators=(",", ":"))
    ledger.STORED.write_text(text.replace('],"', '],\n"') + "\n")


if __name__ == "__main__":
    main()
