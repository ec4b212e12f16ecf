"""The contract of every registered loss: `lossatlas.contract.laws`, a test a loss.

`lossatlas.list_losses()` decides what is tested, so a loss found through LOSSATLAS_PATH is tested
as the package's own are. `lossatlas test --all --record` writes the ledger.
"""

import json

import pytest

import lossatlas
from lossatlas import resources
from lossatlas.contract import suite
from lossatlas.contract.inputs import find_reference
from lossatlas.losses import registry

LEDGER = resources.folder("papers") / registry.LEDGER


@pytest.mark.parametrize("name", lossatlas.list_losses())
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
