"""Bounds, with known answers."""

import math

import pytest
import torch
from torch import Tensor

from lossatlas.theory.properties.bounds import bounded, nonnegative
from lossatlas.theory.subject import Subject, examine
from theory import functions
from theory.functions import bare, confirmed


@pytest.mark.parametrize(
    ("name", "supremum"),
    [
        ("gce", 1 / 0.7),
        ("mae", 2),
        ("brier", 2),
        ("nce", 1),
        ("rce", 4),
        ("taylor_ce", 2.45),
        ("anl_ce", 10),
        ("logit_norm", math.sqrt(2) / 0.01),
    ],
)
def test_bounded(name: str, supremum: float) -> None:
    finding = bounded(examine(name))
    assert finding.verdict == "not_refuted"
    assert finding.found["supremum"] == pytest.approx(supremum, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "growth"),
    [("cross_entropy", 1), ("weston_watkins_hinge", 1), ("squared_error_logits", 2), ("sce", 1)],
)
def test_unbounded(name: str, growth: float) -> None:
    subject = examine(name)
    finding = bounded(subject)
    assert finding.verdict == "evidence_against"
    assert finding.found["growth"] == pytest.approx(growth, abs=0.01)
    assert confirmed(subject, finding)


def test_a_logarithm_grows_without_bound_and_a_cap_does_not() -> None:
    assert bounded(bare(functions.logarithmic)).verdict == "evidence_against"
    assert bounded(bare(functions.slowly_settling)).verdict == "not_refuted"
    finding = bounded(bare(functions.capped))
    assert finding.verdict == "not_refuted"
    assert finding.found["supremum"] == 1e5


def test_growth_is_judged_before_an_overflow() -> None:
    finding = bounded(bare(functions.exponential))
    assert finding.verdict == "evidence_against"
    assert finding.witness is not None
    assert math.isfinite(finding.witness.value)
    assert finding.found["largest"][-1] == math.inf


def test_an_epsilon_in_the_logarithm_bounds_the_loss() -> None:
    finding = bounded(bare(functions.epsilon_inside))
    assert finding.verdict == "not_refuted"
    assert finding.found["supremum"] == pytest.approx(-math.log(1e-8), rel=1e-5)
    assert bounded(bare(functions.cross_entropy)).verdict == "evidence_against"


@pytest.mark.parametrize(
    ("name", "infimum"),
    [
        ("cross_entropy", 0),
        ("squared_error_logits", 0),
        ("sparsemax_loss", 0),
        ("soft_target_kl", 0),
        # The entropy of the smoothed label, 0.925 and three times 0.025.
        ("label_smoothing", -0.925 * math.log(0.925) - 0.075 * math.log(0.025)),
        ("mbls", math.log(1 + 3 * math.exp(-10))),
    ],
)
def test_infimum(name: str, infimum: float) -> None:
    finding = nonnegative(examine(name))
    assert finding.verdict == "not_refuted"
    assert finding.found["infimum"] == pytest.approx(infimum, abs=1e-6)


@pytest.mark.parametrize(
    ("function", "infimum"), [(functions.offset, -0.01), (functions.epsilon_inside, -1e-8)]
)
def test_negative(function: functions.Function, infimum: float) -> None:
    subject = bare(function)
    finding = nonnegative(subject)
    assert finding.verdict == "refuted"
    assert finding.found["infimum"] == pytest.approx(infimum, rel=1e-4)
    assert confirmed(subject, finding)


def test_a_thin_negative_pit_is_found_by_descent() -> None:
    """Random points miss it: negative only within 0.02 of one place, where it slopes to -0.1."""
    place = torch.tensor([0.7, -1.1, 0.3, 0.1], dtype=torch.float64)

    def pit(s: Tensor, y: Tensor) -> Tensor:
        return (s - place).square().sum(1).sqrt() - 0.02

    points = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert pit(points, torch.zeros(4000)).min() > 0
    finding = nonnegative(bare(pit))
    assert finding.verdict == "refuted"
    assert finding.found["at"] == pytest.approx(place.tolist(), abs=0.02)


def test_on_embeddings() -> None:
    finding = bounded(examine("nt_xent"))
    assert finding.verdict == "not_refuted"
    assert nonnegative(examine("nt_xent")).verdict == "not_refuted"

    def attraction(z: Tensor, y: None) -> Tensor:
        return (z[0] - z[1]).square().sum(1) - z.square().sum((0, 2))

    plain = Subject("attraction", attraction, "two_view")
    assert bounded(plain).verdict == "evidence_against"
    finding = nonnegative(plain)
    assert finding.verdict == "refuted"
    assert confirmed(plain, finding)
