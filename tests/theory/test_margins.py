"""The loss against score and margin, with known answers."""

import math

import pytest
import torch
from torch import Tensor

from lossatlas.theory.properties.margins import decreasing_in_score, dominates_zero_one
from lossatlas.theory.subject import examine
from theory import functions
from theory.functions import bare, confirmed, found_of

LOG_2 = math.log(2)


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("cross_entropy", LOG_2),
        ("focal", LOG_2 / 4),
        ("gce", (1 - 0.5**0.7) / 0.7),
        ("mae", 1),
        ("brier", 0.5),
        ("crammer_singer_hinge", 1),
        ("weston_watkins_hinge", 1),
        ("ovr_hinge", 2),
        ("sigmoid_bce", 2 * LOG_2),
        ("poly1_cross_entropy", LOG_2 + 1),
        ("lee_lin_wahba_hinge", 2 / 3),
        # Two classes at x tie, the others at 0: ((x - 1)^2 + x^2) / 4 is least at x = 1/2.
        ("squared_error_logits", 1 / 8),
        # The commonest class ties with the rarest, 8 times rarer, and the label is the former.
        ("balanced_softmax", math.log(1 + 1 / 8)),
    ],
)
def test_price_of_a_mistake(name: str, constant: float) -> None:
    finding = found_of(dominates_zero_one, name)
    assert finding.verdict == "not_refuted"
    assert finding.found["constant"] == pytest.approx(constant, rel=2e-3)
    assert finding.found["constant"] >= constant * (1 - 1e-5)


def test_mistakes_for_nothing() -> None:
    """NCE divides by a sum that grows without bound while two classes tie."""
    subject = examine("nce")
    finding = found_of(dominates_zero_one, "nce")
    assert finding.verdict == "refuted"
    assert confirmed(subject, finding)
    assert dominates_zero_one(bare(functions.unhinged)).verdict == "refuted"


def test_cross_entropy_lies_between_two_logistic_curves() -> None:
    """softplus(-m) <= CE <= log(1 + (K - 1) e^-m), and both are attained."""
    found = found_of(dominates_zero_one, "cross_entropy").found
    m = torch.tensor(found["margin"], dtype=torch.float64)
    least, most = torch.log1p(torch.exp(-m)), torch.log1p(3 * torch.exp(-m))
    assert found["least"] == pytest.approx(least.tolist(), rel=1e-5)
    assert found["most"] == pytest.approx(most.tolist(), rel=1e-5)
    assert found["above"]["logistic"] == pytest.approx([0, math.log(3)], abs=1e-4)
    assert len(m) <= 60


@pytest.mark.parametrize("name", ["crammer_singer_hinge", "set_margin_hinge"])
def test_the_hinge_is_the_hinge(name: str) -> None:
    found = found_of(dominates_zero_one, name).found
    assert found["above"]["hinge"] == pytest.approx([0, 0], abs=1e-12)
    assert found["above"]["zero_one"][0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cross_entropy", {"up": "settles exponentially", "rate": 1, "slope_down": -1}),
        ("focal", {"up": "settles exponentially", "rate": 3, "slope_down": -1}),
        ("brier", {"up": "settles exponentially", "rate": 2, "limit_down": 4 / 3}),
        ("gce", {"up": "settles exponentially", "rate": 1, "limit_down": 1 / 0.7}),
        ("ldam", {"up": "settles exponentially", "rate": 30, "slope_down": -30}),
        ("mae", {"down": "bounded", "limit_down": 2}),
        ("crammer_singer_hinge", {"up": "reaches its limit", "down": "linear"}),
        ("sparsemax_loss", {"up": "reaches its limit", "slope_down": -1}),
        ("label_smoothing", {
            "up": "rises after its optimum", "optimum": math.log(0.925 / 0.025),
            "slope_up": 0.075, "slope_down": -0.925,
        }),
        ("squared_error_logits", {"optimum": 1, "down": "power", "power_down": 2}),
        ("mbls", {"optimum": 10, "slope_up": 0.075}),
    ],
)  # fmt: skip
def test_tails(name: str, found: dict[str, object]) -> None:
    measured = found_of(decreasing_in_score, name).found
    for key, value in found.items():
        if isinstance(value, str):
            assert measured[key] == value
        else:
            assert measured[key] == pytest.approx(value, rel=2e-3)


def test_tails_of_functions() -> None:
    found = decreasing_in_score(bare(functions.exponential)).found
    assert (found["down"], found["rate_down"]) == ("exponential", pytest.approx(1, rel=1e-4))
    assert decreasing_in_score(bare(functions.unhinged)).found["up"] == "falls without end"

    def rational(s: Tensor, y: Tensor) -> Tensor:
        return 1 / (1 + functions.exponential(-s, y).clamp(min=0).log1p().square())

    found = decreasing_in_score(bare(rational)).found
    assert found["up"] == "settles like a power"
    assert found["power_up"] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", ["label_smoothing", "squared_error_logits", "logit_norm", "mbls"])
def test_a_higher_score_can_cost_more(name: str) -> None:
    subject = examine(name)
    finding = found_of(decreasing_in_score, name)
    assert finding.verdict == "refuted"
    assert confirmed(subject, finding)


@pytest.mark.parametrize("name", ["cross_entropy", "nce", "taylor_ce", "entmax15_loss", "ldam"])
def test_a_higher_score_never_costs_more(name: str) -> None:
    assert found_of(decreasing_in_score, name).verdict == "not_refuted"


def test_rounding_of_a_large_loss_is_no_rise() -> None:
    def large(s: Tensor, y: Tensor) -> Tensor:
        return 1e9 * torch.softmax(s, 1).sum(1) + functions.cross_entropy(s, y)

    assert decreasing_in_score(bare(large)).verdict == "not_refuted"
