"""Whether a loss and a scenario fit each other: what a sweep leaves out of its plan, and why."""

import json
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lossatlas.data import scenarios
from lossatlas.data.cifar10 import CLASSES
from lossatlas.errors import UserError
from lossatlas.losses.kinds import KINDS

SEVERAL = {"label_set": "sets of classes", "distribution": "soft labels"}
TRIED = 50_000  # labels, as many as CIFAR-10 has


def cannot(scenario: dict[str, Any], target: str) -> str | None:
    """Why no run can be made of a loss with this type of target in a scenario, or None.

    `scenario` is the group of a resolved configuration: its name and parameters.
    """
    try:
        _given(json.dumps(scenario), target)
    except UserError as error:
        return str(error)
    return None


def needless(scenario: dict[str, Any], target: str) -> str | None:
    """Why a run would say nothing that a simpler one does not, or None.

    Whoever names such a pair gets it; a query leaves it out.
    """
    given, true = _given(json.dumps(scenario), target)
    if KINDS[target].several and int((given > 0).sum(1).max()) == 1:
        return f"it is for {SEVERAL[target]}, and {scenario['name']} gives every image one class"
    if KINDS[target].names == "nothing" and not torch.equal(given, true):
        return f"it sees no labels, and those are what {scenario['name']} changes"
    return None


@lru_cache(maxsize=256)
def _given(scenario: str, target: str) -> tuple[Tensor, Tensor]:
    true = torch.arange(TRIED) % len(CLASSES)
    return scenarios.targets(json.loads(scenario), true, target, CLASSES, 0), true
