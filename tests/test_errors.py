"""What a misspelt word may mean."""

import pytest

import lossatlas
from lossatlas.contract.inputs import make
from lossatlas.errors import meant
from lossatlas.losses import registry


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("gcee", ["gce"]),
        ("focall", ["focal"]),
        ("mea", ["mae"]),
        ("arc", ["arcface", "rce"]),
        ("byool", ["byol"]),
        ("zzz", []),
    ],
)
def test_only_what_is_as_near_as_the_nearest_is_offered(word: str, near: list[str]) -> None:
    said = meant(word, ["gce", "sgce", "rce", "agce", "focal", "mae", "mmce", "arcface", "byol"])
    assert said == (f"did you mean {' or '.join(near)}?" if near else "")


def test_a_hyperparameter_may_be_named_as_an_argument_of_the_contract(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Named(registry.get_class("cross_entropy")):  # type: ignore[misc]
        def __init__(self, k: float = 1.0, num_classes: float = 1.0):
            super().__init__()
            self.k = k

    monkeypatch.setitem(registry._classes, "cross_entropy", Named)
    assert make("cross_entropy", "none", 3, k=2.0, num_classes=2.0).k == 2.0
    assert lossatlas.get_loss("cross_entropy", k=2.0).k == 2.0
