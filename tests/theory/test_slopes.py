"""Lipschitz constants, kinks and gradients: known answers, and functions that mislead."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lossatlas.theory.properties.slopes import (
    differentiable_everywhere,
    gradient_correct,
    lipschitz,
)
from lossatlas.theory.subject import Subject, examine
from theory.functions import confirmed, found_of

ROOT2 = math.sqrt(2)
ALL = (
    "cross_entropy", "focal", "label_smoothing", "logit_norm", "gce", "anl_ce", "mbls", "ldam",
    "crammer_singer_hinge", "weston_watkins_hinge", "sparsemax_loss", "soft_target_kl",
    "set_margin_hinge", "squared_error_logits",
)  # fmt: skip


def log_p_y(s: Tensor, y: Tensor) -> Tensor:
    return torch.log_softmax(s, 1).gather(1, y[:, None]).squeeze(1)


def lead(s: Tensor, y: Tensor) -> Tensor:
    return s.gather(1, y[:, None]).squeeze(1) - s.roll(1, 1).gather(1, y[:, None]).squeeze(1)


def mutant(function: Callable[[Tensor, Tensor], Tensor]) -> Subject:
    return Subject("mutant", function)


# --------------------------------------------------------------------------------- Lipschitz

P = torch.linspace(0, 1, 200_001, dtype=torch.float64)[1:-1]


def focal(gamma: float) -> float:
    """sqrt(2) sup (1 - p) w(p), of the gradient's weight w relative to cross-entropy."""
    weight = (1 - P) ** gamma - gamma * P * (1 - P) ** (gamma - 1) * P.log()
    return ROOT2 * ((1 - P) * weight).max().item()


def agce(a: float, q: float) -> float:
    return ROOT2 * (P * (1 - P) * (a + P) ** (q - 1)).max().item()


def test_the_published_constants_of_focal_loss() -> None:
    assert [round(focal(gamma), 3) for gamma in (1, 2, 3)] == [1.478, 1.597, 1.699]


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("cross_entropy", ROOT2),
        ("label_smoothing", math.sqrt(0.975**2 + 0.925**2 + 2 * 0.025**2)),  # |e_j - smoothed e_y|
        ("focal(gamma=1)", focal(1)), ("focal", focal(2)), ("focal(gamma=3)", focal(3)),
        ("brier", 16 * ROOT2 / 27), ("mae", ROOT2 / 2), ("rce", ROOT2),
        ("gce", ROOT2 * 0.7**0.7 / 1.7**1.7), ("comp_sum", ROOT2 * 0.5**0.5 / 1.5**1.5),
        ("agce", agce(0.6, 0.6)),
        ("taylor_ce(t=2)", ROOT2 * 2 * 3**-1.5), ("taylor_ce", ROOT2 * 6 * 7 ** (-7 / 6)),
        ("poly1_cross_entropy", ROOT2 * 9 / 8), ("sce", 0.1 * ROOT2 * 41**2 / 160),
        ("nce", math.sqrt(3 / 4) / (4 * math.log(4))),
        ("crammer_singer_hinge", ROOT2), ("weston_watkins_hinge", math.sqrt(12)),
        ("lee_lin_wahba_hinge", 1.0), ("ovr_hinge", 2.0), ("sigmoid_bce", 2.0),
        ("sparsemax_loss", ROOT2), ("entmax15_loss", ROOT2), ("ldam", 30 * ROOT2),
        ("balanced_softmax", ROOT2), ("logit_adjustment(tau=2)", ROOT2),
    ],
)  # fmt: skip
def test_lipschitz_constants(name: str, constant: float) -> None:
    finding = found_of(lipschitz, name)
    assert finding.verdict == "not_refuted"
    assert finding.found["constant"] == pytest.approx(constant, rel=1e-5)


def test_a_constant_depends_on_the_number_of_classes() -> None:
    finding = lipschitz(examine("weston_watkins_hinge", k=7))
    assert finding.found["constant"] == pytest.approx(math.sqrt(42))


def test_the_normalised_loss_loses_its_slope_far_away() -> None:
    """The slope of NCE decays like one over the size of the scores: it underfits."""
    found = found_of(lipschitz, "nce").found
    assert found["exponent_at_infinity"] == pytest.approx(-1, abs=0.01)
    assert found_of(lipschitz, "cross_entropy").found["exponent_at_infinity"] == pytest.approx(
        0, abs=0.01
    )


@pytest.mark.parametrize("name", ["squared_error_logits", "weston_watkins_hinge(p=2)"])
def test_slopes_that_grow_with_the_scores(name: str) -> None:
    subject = examine(name)
    finding = found_of(lipschitz, name)
    assert confirmed(subject, finding)
    assert finding.found["exponent_at_infinity"] == pytest.approx(1, abs=0.05)
    assert "constant" not in finding.found


def test_slopes_that_grow_towards_zero() -> None:
    def unit(s: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(s / s.norm(dim=1, keepdim=True), y, reduction="none")

    subject = mutant(unit)
    finding = lipschitz(subject)
    assert finding.found["exponent_at_zero"] == pytest.approx(-1, abs=0.01)
    assert confirmed(subject, finding)


def test_an_eps_far_down_bounds_the_slope() -> None:
    """logit_norm's slope is about 1 / (temperature |s|) until |s| is eps."""
    found = found_of(lipschitz, "logit_norm").found
    by_radius = dict(zip(found["radius"], found["slope"], strict=True))
    assert by_radius[0.01] > 5 * by_radius[0.1]
    assert 8e8 < found["constant"] < 3e9


def test_a_slope_that_is_infinite_at_a_point() -> None:
    """The root of a hinge, at its corner; random points are far from it."""
    subject = mutant(lambda s, y: (1 - lead(s, y)).clamp(min=1e-300).sqrt())
    assert confirmed(subject, lipschitz(subject))


def test_overflow_is_growth() -> None:
    subject = mutant(lambda s, y: torch.exp(-lead(s, y)))
    finding = lipschitz(subject)
    assert confirmed(subject, finding)
    assert max(finding.found["radius"]) < 1e3


# ------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize(
    "name",
    [
        "crammer_singer_hinge", "set_margin_hinge", "weston_watkins_hinge", "ovr_hinge",
        "lee_lin_wahba_hinge", "mbls", "anl_ce",
    ],
)  # fmt: skip
def test_kinks_are_found(name: str) -> None:
    subject = examine(name)
    assert confirmed(subject, found_of(differentiable_everywhere, name))


@pytest.mark.parametrize(
    "name",
    [
        "cross_entropy", "focal", "sparsemax_loss", "entmax15_loss", "weston_watkins_hinge(p=2)",
        "weston_watkins_hinge(p=1.5)", "ldam", "agce", "logit_norm", "squared_error_logits",
    ],
)  # fmt: skip
def test_smooth_losses_have_none(name: str) -> None:
    finding = found_of(differentiable_everywhere, name)
    assert finding.verdict == "not_refuted"
    assert finding.worst is not None
    assert finding.worst < 0.5


def test_a_kink_away_from_ties_and_whole_numbers() -> None:
    subject = mutant(lambda s, y: (0.37123 - 1.7 * lead(s, y)).relu())
    finding = differentiable_everywhere(subject)
    assert confirmed(subject, finding)
    assert finding.found["jump"] > 0.1


def test_a_small_kink_beside_a_large_curvature() -> None:
    subject = mutant(lambda s, y: 200 * s.square().sum(1) + 0.05 * (lead(s, y) - 0.3).abs())
    assert confirmed(subject, differentiable_everywhere(subject))


def test_the_tip_of_a_cone() -> None:
    """No random line meets the only kink of a norm."""
    subject = mutant(lambda s, y: s.square().sum(1).clamp(min=1e-300).sqrt())
    finding = differentiable_everywhere(subject)
    assert confirmed(subject, finding)
    assert finding.found["at"] == [0.0] * 4


def test_a_rounded_corner_is_none() -> None:
    """At steps of 1e-6 it looks like one; its radius is 1e-9."""
    subject = mutant(lambda s, y: 1e-9 * F.softplus((1 - lead(s, y)) * 1e9, threshold=1e6))
    assert differentiable_everywhere(subject).verdict == "not_refuted"


# --------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("name", ALL)
def test_losses_of_the_atlas_have_right_gradients(name: str) -> None:
    finding = found_of(gradient_correct, name)
    assert finding.verdict == "not_refuted"
    assert finding.n > 1000
    assert finding.worst is not None
    assert finding.worst < 1e-5


def test_a_detached_weight_is_caught() -> None:
    def detached(s: Tensor, y: Tensor) -> Tensor:
        log_p = log_p_y(s, y)
        return -((1 - log_p.exp()).detach() ** 2) * log_p

    subject = mutant(detached)
    assert confirmed(subject, gradient_correct(subject))


def test_a_weight_detached_only_for_confident_predictions_is_caught() -> None:
    def detached(s: Tensor, y: Tensor) -> Tensor:
        log_p = log_p_y(s, y)
        weight = 1 - log_p.exp()
        return -torch.where(log_p > -0.05, weight.detach(), weight) * log_p

    subject = mutant(detached)
    assert confirmed(subject, gradient_correct(subject))


class Wrong(torch.autograd.Function):
    """The identity, whose backward pass is one thousandth too large."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(ctx: object, g: Tensor) -> Tensor:
        return g * 1.001


def test_a_backward_pass_that_is_slightly_wrong_is_caught() -> None:
    subject = mutant(lambda s, y: -log_p_y(Wrong.apply(s), y))
    assert confirmed(subject, gradient_correct(subject))


def test_a_gradient_that_is_not_a_number_is_caught() -> None:
    """sqrt in the branch not taken: the value is fine, its gradient NaN."""

    def careless(s: Tensor, y: Tensor) -> Tensor:
        m = lead(s, y)
        root = torch.where(m < 0.5, 0 * m, m).sqrt()
        return torch.where(m < 0.5, 1 - m, 1.5 - math.sqrt(0.5) - root)

    subject = mutant(careless)
    finding = gradient_correct(subject)
    assert finding.verdict == "refuted"
    assert finding.witness is not None
    assert finding.witness.value == math.inf
