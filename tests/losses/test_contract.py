"""The contract of every registered loss: `lossatlas.contract.laws`, a test a loss.

`lossatlas.list_losses()` decides what is tested, so a loss found through LOSSATLAS_PATH is tested
as the package's own are. Every law of every loss is tried here in one of its cases, those of every
eighth loss in all. All cases of all losses are tried by `lossatlas test --all --record`, which
writes the ledger; `test_ledger_is_current` guarantees that no code of a loss and no card has
changed since. What shows in other cases only after an edit of `losses/base.py`, the laws or a
reference, `lossatlas test --all` finds.
"""

import json
import random

import pytest

import lossatlas
from lossatlas import resources
from lossatlas.contract import suite
from lossatlas.contract.inputs import find_reference
from lossatlas.losses import registry
from lossatlas.threads import one_thread

NAMES = lossatlas.list_losses()
LEDGER = resources.folder("papers") / registry.LEDGER


@pytest.mark.parametrize("name", NAMES)
def test_every_law_holds_in_one_case(name: str) -> None:
    laws: dict[str, list[suite.Case]] = {}
    for case in suite.cases(name):
        laws.setdefault(case.law, []).append(case)
    assert len(laws) > 10
    with one_thread():
        for law, cases in laws.items():  # drawn by name: together, the losses try every sort
            random.Random(f"{name} {law}").choice(cases).check()


@pytest.mark.parametrize("name", NAMES[::8])
def test_every_law_holds(name: str) -> None:
    outcome = suite.test(name)
    assert not outcome.broken, "\n".join(outcome.broken)
    assert outcome.cases > 20


@pytest.mark.parametrize("name", json.loads(LEDGER.read_text()))
def test_ledger_is_current(name: str) -> None:
    assert find_reference(name) is not None
    assert registry.status(registry.find(name)) == "verified", (
        f"{name} was changed after it was verified; run 'make verify'"
    )
