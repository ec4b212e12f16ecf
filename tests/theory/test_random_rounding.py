"""Code without a 50-digit form: its rounding is measured in float64, and the witness says so."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lossatlas.theory import wording
from lossatlas.theory.properties.invariance import shift_invariant
from lossatlas.theory.random_rounding import RUNS, RandomRounding, measured
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import (
    Term,
    Witness,
    as_json,
    confirm,
    doubt,
    evaluate,
    refute,
)
from lossatlas.theory.witness_code import python


def bessel(s: Tensor, y: Tensor) -> Tensor:
    """No form at 50 digits."""
    return torch.special.i0e(s).sum(1)


def test_a_violation_is_confirmed_and_says_how() -> None:
    finding = shift_invariant(Subject("bessel", bessel))
    assert finding.verdict == "refuted"
    assert finding.witness is not None
    assert "in float64 with random rounding, as special_i0e has no 50-digit form" in (
        finding.witness.says
    )
    assert float(finding.witness.exact) == pytest.approx(finding.witness.value, rel=1e-9)


def test_rounding_is_no_violation() -> None:
    """1e8 + s loses eight digits of s; the static bound of three terms does not see it."""

    def cancelling(s: Tensor, y: Tensor) -> Tensor:
        return ((1e8 + s) - 1e8 - s).sum(1) * torch.special.i0e(0 * s[:, 0])

    subject = Subject("cancelling", cancelling)
    terms = [Term(1.0, [0.1, 0.7, 0.3, 0.33], 0)]
    value, static = evaluate(subject, terms)
    exact, rounding, how = confirm(subject, terms)
    assert abs(value) > 1e3 * static
    assert rounding > abs(value)
    assert doubt(abs(value), abs(exact), rounding) is not None
    found = refute(subject, "is zero", lambda s: [Term(1.0, s.tolist(), 0)],
                   torch.tensor(terms[0].inputs).double(), method="")  # fmt: skip
    assert found.verdict == "inconclusive"
    assert "random rounding" in str(found.reason)
    assert "random rounding" in str(how)


def test_the_range_bounds_the_error() -> None:
    for n in (10, 1000):
        x = torch.linspace(0.1, 1, n, dtype=torch.float64)
        value, rounding = measured(lambda x=x: (x.sin().square() + x.cos().square()).sum().item())
        assert abs(value - n) <= rounding < 1e-11 * n


def test_what_is_selected_or_whole_stays() -> None:
    x = torch.tensor([[0.1, 3.0, -2.0], [5.0, 0.3, 0.7]], dtype=torch.float64)

    def selecting() -> bool:
        top, at = x.max(1)
        same = (x == top[:, None]).double()
        hot = torch.nn.functional.one_hot(at, 3).double()
        picked = torch.where(hot > 0, x.clone(), -x).gather(1, at[:, None])
        return bool((picked[:, 0] == top).all() and torch.equal(same, hot))

    assert measured(selecting) == (True, 0.0)


def test_gradients_are_rounded_as_well() -> None:
    def slope() -> float:
        x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(torch.exp(x) - x.clone().mul_(3).sin(), x)
        return gradient.item()

    value, rounding = measured(slope)
    assert abs(value - math.exp(0.3) + 3 * math.cos(0.9)) <= rounding < 1e-13
    assert rounding > 0


def test_float32_is_rounded_as_float32() -> None:
    _, rounding = measured(lambda: torch.tensor(0.3).exp().item())
    assert 1e-7 < rounding < 1e-5


def test_infinities_agree_or_nothing_is_known() -> None:
    assert measured(lambda: math.inf) == (math.inf, 0.0)
    several = iter([math.inf] + [1.0] * (RUNS - 1))
    assert measured(lambda: next(several))[1] == math.inf


def test_the_same_numbers_each_time() -> None:
    def compute() -> float:
        return torch.linspace(0.1, 1, 9).double().exp().sum().item()

    assert measured(compute) == measured(compute)
    with RandomRounding(torch.Generator().manual_seed(1)):
        moved = compute()
    assert moved != compute()


def test_an_infinite_witness_is_written_and_read() -> None:
    witness = Witness([Term(1.0, [0.0, 1e200, 0.0, 0.0], 0)], "is finite", math.inf, "+inf",
                      math.inf, "class_index", 4)  # fmt: skip
    plain: dict[str, Any] = as_json(witness)
    assert Witness.read(plain) == witness
    assert "inf > 0: is finite" in python("cross_entropy", Witness.read(plain))
    for value in (math.inf, math.nan, 2.5):
        record = {"witness": as_json(replace(witness, value=value)), "found": {}}
        assert wording.evidence(record) == f"is finite (by {value:.3g})"


def test_infinite_values_are_no_crash() -> None:
    """Degree 4 at 1e100 overflows float64, and not 50 digits; exp of exp overflows both."""
    quartic = Subject("quartic", lambda s, y: s.square().square().sum(1))
    tower = Subject("tower", lambda s, y: s.exp().exp().exp().sum(1))
    for subject, size in ((quartic, 1e100), (tower, 1e3)):
        finding = refute(subject, "is at most zero", lambda s: [Term(1.0, s.tolist(), 0)],
                         size * torch.ones(4, dtype=torch.float64), method="")  # fmt: skip
        assert finding.verdict == ("inconclusive" if subject is quartic else "refuted")
