"""The fields that the row of every finished run has, for tests that add their own."""

from typing import Any

WHOLE: dict[str, Any] = {
    "loss": "cross_entropy", "target": "class_index", "scenario": "clean", "recipe": "quick",
    "model": "m", "data": "d", "seed": 0, "epochs": 3, "lr": 0.375, "holdout": 0, "state": "done",
}  # fmt: skip


def whole(run_id: str, **fields: Any) -> dict[str, Any]:
    """The row of a run that is done, with these fields."""
    return WHOLE | {"run_id": run_id} | fields
