"""Rows of runs, for tests that say which and what they measured."""

from typing import Any

from lossatlas.analysis import arms
from lossatlas.analysis.arms import Condition, Result

WHOLE: dict[str, Any] = {
    "loss": "cross_entropy", "target": "class_index", "scenario": "clean", "recipe": "quick",
    "model": "m", "data": "d", "seed": 0, "epochs": 3, "lr": 0.375, "holdout": 0, "state": "done",
}  # fmt: skip
SHARED = {"scenario": "clean", "recipe": "quick", "model": "airnet", "data": "cifar10"}
BASE = [0.700, 0.702, 0.699, 0.701, 0.700, 0.703, 0.698, 0.701]  # accuracies of eight seeds


def whole(run_id: str, **fields: Any) -> dict[str, Any]:
    """The row of a run that is done, with these fields."""
    return WHOLE | {"run_id": run_id} | fields


def row(
    loss: str, seed: int, accuracy: float | None = None, state: str = "done", **more: Any
) -> dict[str, Any]:
    """The row of a run of a loss, of which only this is known."""
    held = {"run_id": f"{loss}-{seed}", "loss": loss, "seed": seed, "state": state, **SHARED}
    held |= {"target": "class_index", "lr": 0.375}
    return held | ({} if accuracy is None else {"test_accuracy": accuracy}) | more


def survey(**accuracies: list[float]) -> list[dict[str, Any]]:
    """A row for every accuracy of every loss; the seeds count from 0."""
    return [row(loss, seed, a) for loss, many in accuracies.items() for seed, a in enumerate(many)]


def only(rows: list[dict[str, Any]]) -> tuple[Condition, dict[str, Result]]:
    """The one condition of these rows, and what it shows by the label of each arm."""
    [condition] = arms.conditions(rows, ["cross_entropy", "focal"])
    return condition, {one.arm.label: one for one in arms.results(condition)}
