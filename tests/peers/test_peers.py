"""Other libraries' losses agree with ours, as the ledger says, in values and gradients."""

import copy
import importlib.metadata
import re

import pytest
import torch

from lossatlas import resources
from lossatlas.adapters import from_module
from lossatlas.losses import registry
from peers import ledger
from peers.ledger import LEDGER, PEERS, Row


@pytest.mark.parametrize("row", LEDGER, ids=lambda row: f"{row.peer}-{row.ours}")
def test_the_row_is_true(row):
    ledger.verify(row)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (Row("torch", "nn.MultiMarginLoss()", "weston_watkins_hinge"), "is not 1 times"),
        (Row("torch", "nn.MultiMarginLoss()", "weston_watkins_hinge", factor="1 / 4"), "1 / 4"),
        (Row("torch", "nn.CrossEntropyLoss()", "focal(gamma=0.01)"), "is not 1 times focal"),
        (
            Row("torch", "nn.CrossEntropyLoss()", "2 * cross_entropy", shows="ours.mean() / 2"),
            "is 0.5 times",
        ),
        (Row("torch", "nn.CrossEntropyLoss()", "focal", shows="ours.mean()"), "what the row shows"),
        (
            # The value is that of the focal loss, the gradient is not.
            Row("torch", "lambda s, y: (lambda c: (1 - (-c).exp()).detach() ** 2 * c)"
                "(F.cross_entropy(s, y, reduction='none'))", "focal"),
            "is not 1 times focal",
        ),
    ],
)  # fmt: skip
def test_a_false_row_is_caught(row, says):
    with pytest.raises(AssertionError, match=re.escape(says)):
        ledger.verify(row)


def test_a_false_stored_value_is_caught(monkeypatch):
    row = next(row for row in LEDGER if row.peer == "optax")
    kept = copy.deepcopy(ledger.stored())
    kept["rows"][ledger.key(row)][1]["gradients"][0][0][0] += 1e-6
    monkeypatch.setattr(ledger, "stored", lambda: kept)
    with pytest.raises(AssertionError, match="is not 1 times"):
        ledger.verify(row)


def test_what_is_stored_is_what_the_ledger_asks_for():
    wanted = {ledger.key(row) for row in LEDGER if PEERS[row.peer].stored}
    assert ledger.stored()["rows"].keys() == wanted


def test_the_versions_are_those_of_the_ledger_and_of_the_constraints():
    pinned = (resources.CHECKOUT / "constraints.txt").read_text().splitlines()
    for name, peer in PEERS.items():
        if not peer.stored:
            installed = importlib.metadata.version(name).split("+")[0]  # without +cpu, +cu130
            assert installed == peer.version, f"{name} is {installed}: see docs/peers.md"
            assert f"{name}=={peer.version}" in pinned


def test_every_peer_has_rows_and_every_row_a_verified_loss():
    assert PEERS.keys() == {row.peer for row in LEDGER}
    for row in LEDGER:
        for name in re.findall(r"[a-z]\w+(?=\(|$| )", row.ours):
            assert registry.status(registry.find(name)) == "verified"
        assert row.why or row.outcome != "differs"


def test_modules_of_two_peers_become_losses_of_ours():
    """With reductions, weights and a name, as any other loss has them; they train the same."""
    import entmax
    from kornia import losses

    s, y = (ledger.batch(ledger.SIZES[0], 0)[key] for key in "sy")
    sparse = from_module(entmax.SparsemaxLoss())
    values = entmax.sparsemax_loss(s, y)
    weight = torch.arange(6.0)
    assert torch.allclose(sparse(s, y), values.mean())
    assert torch.allclose(sparse(s, y, weight=weight), (weight * values).mean())
    assert torch.allclose((sparse - registry.get_loss("sparsemax_loss"))(s, y), s.new_zeros(()))

    focal = losses.FocalLoss(alpha=None, gamma=2.0, reduction="mean")
    of_batch = from_module(focal, per="batch")
    assert torch.allclose(of_batch(s, y), registry.get_loss("focal")(s, y) / 4)
    assert torch.allclose(from_module(focal)(s, y), of_batch(s, y))
