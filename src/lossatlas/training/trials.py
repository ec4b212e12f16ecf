"""Trials: runs scored on held-out training images, by which `tune` and `search` choose."""

from pathlib import Path
from typing import Any

from lossatlas.errors import UserError
from lossatlas.results import store
from lossatlas.training.config import images

SHARE = 0.1  # of the training images is held out: 5,000 of CIFAR-10


def held_out(config: dict[str, Any]) -> int:
    """How many training images the trials of a resolved configuration are scored on."""
    return max(1, int(SHARE * images(config)))


def ended(root: Path, run_id: str) -> dict[str, Any]:
    """The row of a trial; its `score` is None if it diverged. Raises UserError if it has none."""
    row = store.read_row(root / run_id) or {"state": "not made"}
    if row["state"] not in ("done", "diverged"):
        raise UserError(f"{run_id}: {row.get('reason') or row['state']}")
    return row if row["state"] == "done" else row | {"score": None}
