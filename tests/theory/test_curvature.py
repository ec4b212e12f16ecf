"""Convexity and smoothness: known answers, and functions that mislead weaker checks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lossatlas.losses.registry import get_loss
from lossatlas.theory.exact import Unsupported
from lossatlas.theory.properties import curvature
from lossatlas.theory.properties.curvature import convex_in_logits, smooth
from lossatlas.theory.subject import Subject, examine
from theory.functions import confirmed, found_of


def of_score(y: Tensor, s: Tensor) -> Tensor:
    return s.gather(1, y[:, None]).squeeze(1)


def margin(s: Tensor, y: Tensor) -> Tensor:
    rest = s.scatter(1, y[:, None], float("-inf"))
    return of_score(y, s) - rest.amax(1)


def mutant(function: Callable[[Tensor, Tensor], Tensor], k: int = 4) -> Subject:
    return Subject("mutant", function, k=k)


# --------------------------------------------------------------------------------- convexity


@pytest.mark.parametrize(
    "name",
    [
        "focal", "gce", "brier", "poly1_cross_entropy", "mae", "rce", "sce", "nce", "apl_nce_rce",
        "anl_ce", "agce", "taylor_ce", "comp_sum", "logit_norm", "set_margin_hinge",
        "focal(gamma=0.5)", "poly1_cross_entropy(epsilon_1=1.2)",
    ],
)  # fmt: skip
def test_losses_that_are_not_convex_have_a_witness(name: str) -> None:
    subject = examine(name)
    assert confirmed(subject, found_of(convex_in_logits, name))


@pytest.mark.parametrize(
    "name",
    [
        "cross_entropy", "label_smoothing", "soft_target_kl", "crammer_singer_hinge",
        "sparsemax_loss", "entmax15_loss", "poly1_cross_entropy(epsilon_1=1)", "comp_sum(tau=1)",
        "focal(gamma=0)",
    ],
)  # fmt: skip
def test_convex_losses_are_not_refuted(name: str) -> None:
    finding = found_of(convex_in_logits, name)
    assert finding.verdict in ("proved", "not_refuted")
    assert finding.worst is not None
    assert finding.tolerance is not None
    assert finding.worst < finding.tolerance


@pytest.mark.parametrize("name", ["ldam", "mbls", "weston_watkins_hinge", "squared_error_logits"])
def test_a_certificate_proves(name: str) -> None:
    finding = found_of(convex_in_logits, name)
    assert finding.verdict == "proved"
    assert "DCP" in (finding.certificate or "")


def test_eigenvalues_of_the_prototype() -> None:
    for name, low, high in (
        ("focal", -0.0942, 0.992), ("gce", -0.2007, 0.235), ("mae", -0.385, 0.385),
        ("brier", -0.481, 0.616), ("poly1_cross_entropy", -0.110, 0.758),
    ):  # fmt: skip
        found = found_of(convex_in_logits, name).found
        assert found["least_eigenvalue"] == pytest.approx(low, rel=5e-3)
        assert found["largest_eigenvalue"] == pytest.approx(high, rel=5e-3)


def test_a_large_hessian_has_large_rounding() -> None:
    """LDAM's least eigenvalue is negative by rounding; so is that of an exponential loss."""
    finding = found_of(convex_in_logits, "ldam")
    assert finding.found["least_eigenvalue"] < 0

    def exponential(s: Tensor, y: Tensor) -> Tensor:
        rest = (s - of_score(y, s)[:, None]).exp().scatter(1, y[:, None], 0.0)
        return rest.sum(1)

    finding = convex_in_logits(mutant(exponential))
    assert finding.verdict == "not_refuted"
    assert finding.found["largest_eigenvalue"] > 1e30
    assert finding.found["least_eigenvalue"] < -1.0


def test_piecewise_linear_losses_are_judged_by_chords() -> None:
    """A ramp has no curvature anywhere, and is not convex."""

    def ramp(s: Tensor, y: Tensor) -> Tensor:
        return (1 - margin(s, y)).clamp(0, 2)

    subject = mutant(ramp)
    finding = convex_in_logits(subject)
    assert finding.found == {"least_eigenvalue": 0.0, "largest_eigenvalue": 0.0}
    assert confirmed(subject, finding)


def test_a_clamp_in_the_code_ends_convexity() -> None:
    def clamped(s: Tensor, y: Tensor) -> Tensor:
        return -(of_score(y, torch.softmax(s, 1)) + 1e-8).log()

    subject = mutant(clamped)
    assert confirmed(subject, convex_in_logits(subject))


def test_a_slight_dent_is_found() -> None:
    """Not convex only where two classes tie within 0.3, by a tenth of the curvature there."""

    def dented(s: Tensor, y: Tensor) -> Tensor:
        bump = torch.exp(-((s[:, 0] - s[:, 1]) ** 2) / 0.02)
        return F.cross_entropy(s, y, reduction="none") + 0.02 * bump

    subject = mutant(dented)
    assert confirmed(subject, convex_in_logits(subject))


def test_ascent_makes_violations_clearer() -> None:
    subject = examine("brier")
    a, b, y = curvature._chords(curvature._curvatures(subject))
    before = curvature._violation(subject, a, b, y).max().item()
    *_, after = curvature._ascend(subject, a, b, y)
    assert after.max().item() > 1.02 * before


def test_code_that_vmap_cannot_run() -> None:
    def paper_code(s: Tensor, y: Tensor) -> Tensor:
        hot = F.one_hot(y, s.shape[1]).bool()
        p = torch.softmax(s, 1)
        if y.min().item() < 0:
            raise ValueError
        return 1 - p[hot]

    subject = mutant(paper_code)
    assert convex_in_logits(subject).found["largest_eigenvalue"] > 0.15


def test_nothing_finite_is_inconclusive() -> None:
    finding = convex_in_logits(mutant(lambda s, y: s.sum(1) * float("nan")))
    assert finding.verdict == "inconclusive"


def test_a_refutation_overrides_a_card_that_claims_a_proof() -> None:
    card = examine("sigmoid_bce").card
    subject = Subject("mutant", get_loss("focal", "none").per_sample, card=card)
    assert confirmed(subject, convex_in_logits(subject))


# -------------------------------------------------------------------------------- smoothness


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("cross_entropy", 0.5), ("label_smoothing", 0.5), ("soft_target_kl", 0.5),
        ("squared_error_logits", 0.5), ("sigmoid_bce", 0.25), ("ldam", 450.0),
        ("sparsemax_loss", 1.0), ("mae", 0.3849), ("taylor_ce", 0.48971), ("balanced_softmax", 0.5),
    ],
)  # fmt: skip
def test_smoothness_constants(name: str, constant: float) -> None:
    finding = found_of(smooth, name)
    assert finding.verdict == "not_refuted"
    assert finding.found["constant"] == pytest.approx(constant, rel=2e-4)


def test_cross_entropy_is_most_curved_where_two_classes_tie() -> None:
    at = sorted(found_of(smooth, "cross_entropy").found["at"])
    assert at[3] == pytest.approx(at[2], abs=1e-3)
    assert at[1] < at[2] - 10


def test_the_unscaled_square_is_two_smooth() -> None:
    square = mutant(lambda s, y: (s - F.one_hot(y, s.shape[1])).square().sum(1))
    assert smooth(square).found["constant"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "name",
    [
        "crammer_singer_hinge", "weston_watkins_hinge", "lee_lin_wahba_hinge", "ovr_hinge",
        "set_margin_hinge", "mbls", "anl_ce", "weston_watkins_hinge(p=1.5)",
    ],
)  # fmt: skip
def test_kinks_and_infinite_curvature_are_not_smooth(name: str) -> None:
    subject = examine(name)
    finding = found_of(smooth, name)
    assert confirmed(subject, finding)
    assert "constant" not in finding.found


def test_the_squared_hinge_is_smooth() -> None:
    finding = found_of(smooth, "weston_watkins_hinge(p=2)")
    assert finding.verdict == "not_refuted"
    assert finding.found["constant"] == pytest.approx(8.0, rel=1e-6)  # 2 K, where all are active


def test_curvature_without_bound_far_away() -> None:
    subject = mutant(lambda s, y: (s - of_score(y, s)[:, None]).exp().sum(1))
    finding = smooth(subject)
    assert confirmed(subject, finding)
    assert finding.found["exponent_at_infinity"] > 10


def test_curvature_without_bound_at_zero() -> None:
    def unit(s: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(s / s.norm(dim=1, keepdim=True), y, reduction="none")

    subject = mutant(unit)
    finding = smooth(subject)
    assert finding.found["exponent_at_zero"] == pytest.approx(-2, abs=0.01)
    assert confirmed(subject, finding)


def test_a_bound_far_down_is_respected() -> None:
    """logit_norm's eps bounds its curvature, by about 1 / (temperature eps)^2."""
    finding = found_of(smooth, "logit_norm")
    assert finding.verdict == "not_refuted"
    assert 1e17 < finding.found["constant"] < 1e19


def test_code_without_a_second_derivative_is_said_to_have_none() -> None:
    hinge = torch.nn.MultiMarginLoss(reduction="none")
    with pytest.raises(Unsupported, match=r"there is no second derivative: .*multi_margin_loss"):
        convex_in_logits(Subject("theirs", hinge))
