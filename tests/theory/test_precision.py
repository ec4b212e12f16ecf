"""Numerical stability and dead gradients, with known answers."""

import math
from collections.abc import Callable

import pytest
import torch

from lossatlas.theory.properties import precision
from lossatlas.theory.properties.precision import (
    no_dead_gradient,
    stable_in_bfloat16,
    stable_in_float16,
    stable_in_float32,
)
from lossatlas.theory.subject import Subject, examine
from lossatlas.theory.verdict import Finding
from theory import functions
from theory.functions import bare, confirmed

STABLE = (stable_in_float32, stable_in_bfloat16, stable_in_float16)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "nce", "ldam", "nt_xent"])
def test_stable(name: str) -> None:
    subject = examine(name)
    for check in STABLE:
        finding = check(subject)
        assert finding.verdict == "not_refuted"
        assert finding.found["not_finite"] == finding.found["gradients_not_finite"] == 0
    assert stable_in_float32(subject).found["float64_error"] < 1e-14


@pytest.mark.parametrize("check", STABLE)
def test_logarithm_of_an_underflowed_softmax(check: Callable[[Subject], Finding]) -> None:
    subject = bare(functions.log_of_softmax)
    finding = check(subject)
    assert finding.verdict == "refuted"
    assert finding.witness is not None
    assert finding.witness.value == math.inf
    assert finding.found["not_finite"] > 0
    assert finding.found["not_finite_in_float64"] > 0
    assert confirmed(subject, finding)


def test_float16_underflows_where_log_softmax_is_exact() -> None:
    assert stable_in_float16(bare(functions.cross_entropy)).verdict == "not_refuted"
    finding = stable_in_float16(bare(functions.epsilon_inside))  # float16 has no 1e-8
    assert finding.verdict == "refuted"
    assert stable_in_float32(bare(functions.epsilon_inside)).verdict == "not_refuted"


def test_a_gradient_alone_can_fail() -> None:
    subject = bare(functions.careless_focal)
    finding = stable_in_float32(subject)
    assert finding.verdict == "refuted"
    assert finding.found["gradients_not_finite"] > 0
    assert finding.found["value_error"] < 1e-5
    assert finding.witness is not None
    assert finding.witness.terms[0].along is not None
    assert confirmed(subject, finding)


def test_softplus_of_torch_is_off_in_float64() -> None:
    """By 2e-9 just above 20, which is more than rounding and no instability."""
    finding = stable_in_float32(bare(functions.sigmoid_by_softplus))
    assert finding.verdict == "not_refuted"
    s, y = torch.tensor([[20.01, 0.0]], dtype=torch.float64), torch.tensor([1])
    theirs = functions.sigmoid_by_softplus(s, y) - examine("sigmoid_bce", 2).values(s, y)
    assert 1e-9 < theirs.abs().item() < 3e-9


def test_cancellation_beyond_backward_stability() -> None:
    """(s_j - s_y) as a difference of squares: the products lose all digits."""

    def squares(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        own = functions.of_label(s, y)[:, None]
        difference = ((s + 1e4).square() - (own + 1e4).square()) / (s + own + 2e4)
        return torch.logsumexp(difference, 1)

    finding = stable_in_float32(bare(squares))
    assert finding.verdict == "refuted"
    assert finding.found["value_error"] > 1e-5


def test_both_sides_of_a_witness_get_the_same_inputs() -> None:
    x = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    terms = precision._error(bare(functions.log_of_softmax), x, 1, "bfloat16", None, 0.03)
    for term in terms[:2]:
        inputs = torch.tensor(term.inputs, dtype=torch.float64)
        assert torch.equal(inputs.bfloat16().double(), inputs)


@pytest.mark.parametrize(
    "name", ["cross_entropy", "label_smoothing", "focal", "weston_watkins_hinge", "sce", "ldam"]
)
def test_confident_mistakes_have_a_gradient(name: str) -> None:
    assert no_dead_gradient(examine(name)).verdict == "not_refuted"


@pytest.mark.parametrize(
    ("name", "near"), [("mae", 15), ("brier", 15), ("rce", 15), ("gce", 22), ("nce", 4000)]
)
def test_bounded_losses_saturate(name: str, near: float) -> None:
    subject = examine(name)
    finding = no_dead_gradient(subject)
    assert finding.verdict == "refuted"
    assert finding.found["cause"] == "saturation"
    assert near < finding.found["dead_from"] < 2 * near
    assert confirmed(subject, finding)


@pytest.mark.parametrize(
    ("function", "first"), [(functions.epsilon_inside, 31), (functions.clamped, 15.5)]
)
def test_clamps_kill_gradients(function: functions.Function, first: float) -> None:
    subject = bare(function)
    finding = no_dead_gradient(subject)
    assert finding.verdict == "refuted"
    assert finding.found["cause"] == "clamp"
    assert first < finding.found["dead_from"] < 1.25 * first
    assert confirmed(subject, finding)
    s = torch.tensor([[0.0, -120.0, 30.0]], dtype=torch.float64)
    y = torch.tensor([1])
    assert subject.gradient(s, y).abs().max() < 1e-50
    assert examine("cross_entropy", 3).gradient(s, y).abs().max() == pytest.approx(1)


def test_dead_in_float32_only() -> None:
    def narrow(s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        tiny = torch.softmax(s, 1).clamp(min=torch.finfo(s.dtype).tiny)  # 1e-38, or 1e-308
        return -functions.of_label(tiny, y).log()

    finding = no_dead_gradient(bare(narrow))
    assert finding.verdict == "refuted"
    assert 80 < finding.found["dead_from"] < 110
    assert finding.found["cause"] == "float32"
