"""Whether a loss and a scenario fit each other: what a sweep leaves out of its plan, and why."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from lossatlas.data import scenarios, sets
from lossatlas.errors import UserError
from lossatlas.losses.kinds import KINDS

SEVERAL = {"label_set": "sets of classes", "distribution": "soft labels"}
TRIED = 50_000  # labels, as many as CIFAR-10 has


class Fit(NamedTuple):
    """Why no run can be made, and why one would say nothing that a simpler one does not."""

    cannot: str | None = None
    needless: str | None = None


def cannot(config: Mapping[str, Any], target: str) -> str | None:
    """Why no run can be made of a loss with this type of target in a scenario, or None.

    `config` is a resolved configuration: its scenario and its data are looked at.
    """
    return _fit(config, target).cannot


def needless(config: Mapping[str, Any], target: str) -> str | None:
    """Why a run would say nothing that a simpler one does not, or None.

    Whoever names such a pair gets it; a query leaves it out.
    """
    return _fit(config, target).needless


def _fit(config: Mapping[str, Any], target: str) -> Fit:
    return _tried(json.dumps(config["scenario"]), target, sets.classes(config["data"]))


@lru_cache(maxsize=1024)
def _tried(text: str, target: str, classes: tuple[str, ...]) -> Fit:
    scenario = json.loads(text)
    true = torch.arange(TRIED) % len(classes)
    try:
        given = scenarios.targets(scenario, true, target, classes, 0)
    except UserError as error:
        return Fit(cannot=str(error))
    if KINDS[target].several and int((given > 0).sum(1).max()) == 1:
        name = scenario["name"]
        return Fit(needless=f"it is for {SEVERAL[target]}, and {name} gives every image one class")
    if KINDS[target].names == "nothing" and not torch.equal(given, true):
        what = f"those are what {scenario['name']} changes"
        return Fit(needless=f"it sees no labels, and {what}")
    return Fit()
