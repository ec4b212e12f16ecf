"""Fingerprints of the package's losses, remembered from one process to the next.

The place is the user's cache folder, one file a loss, and nothing is lost by deleting it. A file
holds the digest of what its numbers hang on: code and card of the loss, the code that measures, the
libraries and the processor, which rounds in its own way. Losses of a user's own are measured each
time, as they may read what no digest covers.
"""

import hashlib
import io
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from lossatlas import memo, resources
from lossatlas.losses import registry
from lossatlas.theory.fingerprint import Fingerprint
from lossatlas.writing import write as write_file

FOLDER = "fingerprints"
MEASURES = (
    "intervals.py", "losses/base.py", "losses/examples.py", "losses/kinds.py", "losses/needs.py",
    "losses/registry.py", "losses/targets.py", "theory/design.py", "theory/fingerprint.py",
    "theory/fit.py", "theory/kept.py",
)  # fmt: skip
Point = tuple[tuple[str, float], ...]  # a setting, in the order of its names


def read(entry: registry.Entry) -> dict[Point, Fingerprint | None]:
    """What is kept of a loss by setting: its fingerprint, None where it has none."""
    if (place := _place(entry)) is None:
        return {}
    with suppress(OSError, EOFError, ValueError, KeyError, BadZipFile), np.load(place) as held:
        if held["digest"].item() == _digest(entry):
            labels, rows = held["labels"], iter(zip(held["values"], held["gradients"], strict=True))
            return {
                tuple((key, x) for key, x in setting): _one(next(rows), labels) if has else None
                for setting, has in json.loads(held["settings"].item())
            }
    return {}


def _one(row: tuple[np.ndarray, np.ndarray], labels: np.ndarray) -> Fingerprint:
    values, gradients = row
    return Fingerprint(values, labels, gradients)


def write(entry: registry.Entry, seen: Mapping[Point, Fingerprint | None]) -> None:
    """Keep what was measured of a loss in the place of what was kept before."""
    if (place := _place(entry)) is None:
        return
    found = [one for one in seen.values() if one is not None]
    content = io.BytesIO()
    with suppress(OSError):  # a full disk; a draft without a card has no digest
        np.savez(
            content,
            digest=_digest(entry),
            settings=json.dumps([(setting, one is not None) for setting, one in seen.items()]),
            labels=found[0].labels,
            values=np.array([one.values for one in found]),
            gradients=np.array([one.gradients for one in found]),
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        write_file(place, content.getvalue())


def _place(entry: registry.Entry) -> Path | None:
    root = memo.folder()
    packaged = entry.module.startswith("lossatlas.losses.")
    return root / FOLDER / f"{entry.id}.npz" if root and packaged else None


def _digest(entry: registry.Entry) -> str:
    return hashlib.sha256((registry.digest(entry) + _measures()).encode()).hexdigest()


@cache
def _measures() -> str:
    package = Path(resources.__file__).parent
    code = b"".join((package / name).read_bytes() for name in MEASURES)
    on = [sys.version, np.__version__, torch.__version__, torch.backends.cpu.get_cpu_capability()]
    return hashlib.sha256("".join(on).encode() + code).hexdigest()
