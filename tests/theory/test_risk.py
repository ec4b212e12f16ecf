"""Minima of risks, and what is decided from them: calibration, properness, symmetry, noise."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from lossatlas.cards import Claim
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.theory.agreement import TOLERANCE
from lossatlas.theory.minimise import minimise
from lossatlas.theory.proof import NAMES, load, prove
from lossatlas.theory.properties import calibration
from lossatlas.theory.properties.calibration import calibration_function, classification_calibrated
from lossatlas.theory.properties.noise import noise_invariant_minimiser
from lossatlas.theory.properties.properness import strictly_proper
from lossatlas.theory.properties.symmetry import asymmetric, symmetric_sum_constant
from lossatlas.theory.properties.weights import probability_only
from lossatlas.theory.risks import decisions, readable
from lossatlas.theory.subject import Subject, examine
from theory.functions import confirmed, found_of

pytestmark = pytest.mark.xdist_group("risk")  # one worker, whose checks are cached

HOLDS = ("proved", "not_refuted")
NO_MAJORITY = [0.45, 0.35, 0.10, 0.10]
HINGES = ("crammer_singer_hinge", "weston_watkins_hinge")
PHI = ["cross_entropy", "focal", "gce", "sce", "poly1_cross_entropy", "taylor_ce", "agce"]


@cache
def examined(name: str) -> Subject:
    return examine(name)


find = cache(found_of)  # several tests look at each


def bare(values: Callable[[Tensor], Tensor], k: int = 4) -> Subject:
    """A loss of logits that is no part of the atlas, from its values (N, k) for all labels."""
    return Subject("mutant", lambda s, y: values(s).gather(1, y[:, None]).squeeze(1), k=k)


def ce(s: Tensor) -> Tensor:
    return -torch.log_softmax(s, 1)


def unhinged(s: Tensor) -> Tensor:
    return 1 - s + s.mean(1, keepdim=True)


def exponential(s: Tensor) -> Tensor:
    return torch.exp(s[:, None, :] - s[:, :, None]).sum(2) - 1


def lag(s: Tensor) -> Tensor:
    """log((1 - p_y) / p_y), which falls with p_y without a bound."""
    own = torch.eye(s.shape[1], dtype=torch.bool)
    return s[:, None, :].masked_fill(own, -torch.inf).logsumexp(2) - s


def max_suppression(s: Tensor) -> Tensor:
    return ce(s) + 0.2 * (s.amax(1, keepdim=True) - s.mean(1, keepdim=True))


# ---------------------------------------------------------------------------------- minimisation


def test_minimiser_of_cross_entropy_is_the_posterior() -> None:
    q = torch.tensor([NO_MAJORITY, [0.9, 0.05, 0.03, 0.02]], dtype=torch.float64)
    best = minimise(examined("cross_entropy"), q)
    torch.testing.assert_close(torch.softmax(best.point, 1), q, rtol=0, atol=1e-7)
    torch.testing.assert_close(best.value, -(q * q.log()).sum(1), rtol=0, atol=1e-12)
    assert not best.at_box.any()
    assert (best.reached == 1).all()


def test_forced_minimum_of_cross_entropy_is_a_tie() -> None:
    q = torch.tensor([NO_MAJORITY], dtype=torch.float64)
    best = minimise(examined("cross_entropy"), q, torch.tensor([1]))
    p = torch.tensor([[0.4, 0.4, 0.1, 0.1]], dtype=torch.float64)
    torch.testing.assert_close(torch.softmax(best.point, 1), p, rtol=0, atol=1e-6)
    torch.testing.assert_close(best.value, -(q * p.log()).sum(1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("ahead", [0.01, 0.5, 3.0])
def test_a_lead_is_kept(ahead: float) -> None:
    q = torch.tensor([NO_MAJORITY], dtype=torch.float64)
    s = minimise(examined("cross_entropy"), q, torch.tensor([2]), ahead).point[0]
    assert (s[2] - s[[0, 1, 3]]).min().item() == pytest.approx(ahead, abs=1e-5)


@pytest.mark.parametrize(("name", "least"), [(HINGES[0], 1.0), (HINGES[1], 1.8)])
def test_hinges_are_minimised_at_their_kinks(name: str, least: float) -> None:
    q = torch.tensor([NO_MAJORITY], dtype=torch.float64)
    assert minimise(examined(name), q).value.item() == pytest.approx(least, abs=1e-7)


def test_minima_at_infinity_are_told() -> None:
    q = torch.tensor([NO_MAJORITY], dtype=torch.float64)
    best = minimise(examined("nce"), q)
    assert best.at_box.all()
    assert 0.1 < best.value.item() < 0.105  # the infimum, least of q, is not attained
    vertex = minimise(examined("mae"), q)
    assert vertex.value.item() == pytest.approx(2 * (1 - 0.45), abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_posteriors_have_one_best_class(k: int) -> None:
    q, meant, right = decisions(bare(ce, k))
    top = meant.topk(2).values
    assert (top[:, 0] - top[:, 1] > 0.019).all()
    assert (meant.argmax(1) == right).all()
    assert len(q) == 24


# ----------------------------------------------------------------------------------- calibration

CALIBRATED = (
    "cross_entropy", "label_smoothing", "focal", "gce", "mae", "sce", "apl_nce_rce", "anl_ce",
    "poly1_cross_entropy", "squared_error_logits", "brier", "lee_lin_wahba_hinge", "sigmoid_bce",
    "logit_norm", "balanced_softmax", "taylor_ce",
)  # fmt: skip


@pytest.mark.parametrize("name", CALIBRATED)
def test_calibrated_losses(name: str) -> None:
    finding = find(classification_calibrated, name)
    assert finding.verdict in HOLDS
    assert finding.worst is not None
    assert finding.worst < 0
    assert finding.found["at_box"] > 0 or finding.found["right"] == 1.0


@pytest.mark.parametrize("name", [*HINGES, "ovr_hinge"])
def test_hinges_are_refuted_where_there_is_no_majority(name: str) -> None:
    finding = find(classification_calibrated, name)
    assert finding.verdict == "evidence_against"
    assert confirmed(examined(name), finding)
    assert finding.witness is not None
    assert "[0.45, 0.35, 0.1, 0.1]" in finding.witness.says
    right, wrong = finding.witness.terms[0].inputs, finding.witness.terms[-1].inputs
    assert right[0] == pytest.approx(max(right[1:]) + 0.1)
    assert max(wrong[1:]) == max(wrong)
    if name == HINGES[1]:  # minimum at (.5, .5, -.5, -.5), up to a shift
        assert wrong[0] == wrong[1] == wrong[2] + 1 == wrong[3] + 1
    else:
        assert wrong[0] == wrong[1] == wrong[2] == wrong[3]


def test_nce_has_no_cost_of_wrong_decisions_at_infinity() -> None:
    finding = find(classification_calibrated, "nce")
    assert finding.verdict == "evidence_against"
    assert confirmed(examined("nce"), finding)
    assert find(calibration_function, "nce").verdict in HOLDS  # two classes are another matter


def test_rule_of_a_balanced_loss() -> None:
    subject = examined("balanced_softmax")
    assert classification_calibrated(subject).verdict in HOLDS
    assert subject.loss is not None
    plain = Subject("plain", subject.loss.per_sample, k=4)  # judged by argmax q
    finding = classification_calibrated(plain)
    assert finding.verdict == "evidence_against"
    assert confirmed(plain, finding)


@pytest.mark.parametrize(
    ("mutant", "verdict"),
    [
        (lambda s: ce(-s), "evidence_against"),  # the worst class on top
        (lambda s: ce(s).roll(1, 1), "evidence_against"),  # the class before the label
        (max_suppression, "evidence_against"),  # the maximum makes ties optimal
        (lambda s: torch.relu(1 - s + s.mean(1, keepdim=True)), "evidence_against"),
        (lambda s: s * 0 + 1, "inconclusive"),  # flat
        # Calibrated, but by a lead of 1e-6: the least risk is at a tie to rounding, without a kink.
        (lambda s: s.square().sum(1, keepdim=True) + 1e-4 * ce(s), "inconclusive"),
        (unhinged, "inconclusive"),  # no lower bound: ties in every box
        (lambda s: ce(s) * 1e-6, "not_refuted"),  # tolerances are relative
        (lambda s: ce(s) * 1e6 + 1e6, "not_refuted"),
        (lambda s: ce(20 * s), "not_refuted"),
        (exponential, "not_refuted"),
        (lambda s: ce(s) / 0, "inconclusive"),  # nothing finite
    ],
)
def test_mutants_of_known_calibration(mutant: Callable[[Tensor], Tensor], verdict: str) -> None:
    subject = bare(mutant)
    finding = classification_calibrated(subject)
    assert finding.verdict == verdict
    if verdict == "evidence_against":
        assert confirmed(subject, finding)
    if verdict == "inconclusive":
        assert finding.reason


def test_a_failed_minimiser_is_no_refutation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constrained minimum below the free one says that the free search failed."""

    def failing(*args: object, **options: object) -> object:
        best = minimise(*args, **options)  # type: ignore[arg-type]
        lead = args[2] if len(args) > 2 else None
        free = torch.ones(len(best.value), dtype=torch.bool) if lead is None else lead < 0
        best.value[free] += 0.3
        return best

    monkeypatch.setattr(calibration, "minimise", failing)
    finding = classification_calibrated(bare(ce))
    assert finding.verdict == "inconclusive"
    assert "minimiser failed" in (finding.reason or "")


PSI = {  # at theta = 0.1, 0.3, 0.5, 0.8
    "cross_entropy": lambda t: ((1 + t) * math.log(1 + t) + (1 - t) * math.log(1 - t)) / 2,
    "crammer_singer_hinge": lambda t: t,
    "brier": lambda t: t * t / 2,
    "mae": lambda t: t,
    "nce": lambda t: t / 2,
    "focal": {0.1: 0.0011, 0.3: 0.0102, 0.5: 0.0295, 0.8: 0.0855},
    "gce": {0.1: 0.0101, 0.3: 0.0831, 0.5: 0.2002, 0.8: 0.4066},
}


@pytest.mark.parametrize("name", PSI)
def test_calibration_functions(name: str) -> None:
    finding = find(calibration_function, name)
    psi = dict(zip(finding.found["theta"], finding.found["psi"], strict=True))
    for theta in (0.1, 0.3, 0.5, 0.8):
        known = PSI[name]
        expected = known[theta] if isinstance(known, dict) else known(theta)
        assert psi[theta] == pytest.approx(expected, abs=6e-5)


def test_calibration_function_of_the_exponential_loss() -> None:
    found = calibration_function(bare(exponential)).found
    for theta, psi in zip(found["theta"], found["psi"], strict=True):
        assert psi == pytest.approx(1 - math.sqrt(1 - theta**2), abs=1e-6)


def test_regrets_of_brier_lie_on_its_bound() -> None:
    found = find(classification_calibrated, "brier").found
    for error, regret in zip(found["zero_one_regret"], found["surrogate_regret"], strict=True):
        assert regret >= error**2 / 2 - 1e-7
    assert found["surrogate_regret"] == sorted(found["surrogate_regret"])


# ------------------------------------------------------------------------------------ properness


@pytest.mark.parametrize(
    "name",
    ["cross_entropy", "brier", "sigmoid_bce", "squared_error_logits", "sparsemax_loss",
     "entmax15_loss", "balanced_softmax"],
)  # fmt: skip
def test_strictly_proper_losses(name: str) -> None:
    finding = find(strictly_proper, name)
    assert finding.verdict in HOLDS
    assert finding.found["largest_error"] < 1e-6
    assert finding.found["slope_of_log_odds"] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "slope"),
    [("gce", 1 / 0.3), ("comp_sum", 2.0), ("focal", None), ("label_smoothing", None),
     ("mae", None), ("ldam", None), ("mbls", 1.0)],
)  # fmt: skip
def test_losses_that_are_not_proper(name: str, slope: float | None) -> None:
    finding = find(strictly_proper, name)
    assert finding.verdict == "refuted"
    assert confirmed(examined(name), finding)
    if slope:
        assert finding.found["slope_of_log_odds"] == pytest.approx(slope, abs=1e-3)


def test_link_of_the_focal_loss() -> None:
    """q proportional to p / w(p), w = (1-p)^2 - 2 p (1-p) log p (Charoenphakdee et al. 2021)."""
    found = find(strictly_proper, "focal").found

    def share(p: float) -> float:
        return p / ((1 - p) ** 2 - 2 * p * (1 - p) * math.log(p))

    for q, p in zip(found["truth"], found["prediction"], strict=True):
        assert share(p) / (share(p) + share(1 - p)) == pytest.approx(q, abs=1e-5)


def test_link_of_label_smoothing_is_affine() -> None:
    found = find(strictly_proper, "label_smoothing").found
    for q, p in zip(found["truth"], found["prediction"], strict=True):
        assert p == pytest.approx(0.9 * q + 0.05, abs=1e-5)


@pytest.mark.parametrize("name", [n for n in PHI if n not in ("taylor_ce", "agce")])
def test_posterior_from_the_weight_curve(name: str) -> None:
    found = find(strictly_proper, name).found
    assert found["error_of_p_over_w"] < 5e-5
    assert found["inside"] >= 20


@pytest.mark.parametrize(("name", "error"), [("label_smoothing", 0.02), ("brier", 0.15)])
def test_posterior_from_the_weight_curve_fails_elsewhere(name: str, error: float) -> None:
    assert find(strictly_proper, name).found["error_of_p_over_w"] > error


def test_hinges_mean_no_probabilities() -> None:
    assert find(strictly_proper, "weston_watkins_hinge").verdict == "not_applicable"


@pytest.mark.parametrize(
    ("mutant", "verdict"),
    [
        (lambda s: ce(s) * 1e-5, "not_refuted"),
        (lambda s: ce(s) + 0.1 * torch.logsumexp(s, 1, keepdim=True) ** 2, "not_refuted"),
        (lambda s: ce(1.01 * s), "refuted"),
        (exponential, "refuted"),
    ],
)
def test_mutants_of_known_properness(mutant: Callable[[Tensor], Tensor], verdict: str) -> None:
    subject = bare(mutant)
    finding = strictly_proper(subject)
    assert finding.verdict == verdict
    if mutant is exponential:
        assert finding.found["slope_of_log_odds"] == pytest.approx(0.5, abs=1e-4)


# ------------------------------------------------------------------------------ symmetry, noise


@pytest.mark.parametrize(
    ("name", "total"), [("mae", 6.0), ("nce", 1.0), ("apl_nce_rce", 28.631), ("anl_ce", 20.0)]
)
def test_symmetric_losses(name: str, total: float) -> None:
    finding = find(symmetric_sum_constant, name)
    assert finding.verdict in HOLDS
    assert finding.found["sum"] == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "least", "largest"),
    [("cross_entropy", 5.545, None), ("gce", 3.549, 30 / 7), ("brier", 3.0, 6.0)],
)
def test_losses_that_are_not_symmetric(name: str, least: float, largest: float | None) -> None:
    finding = find(symmetric_sum_constant, name)
    assert finding.verdict == "refuted"
    assert confirmed(examined(name), finding)
    assert finding.found["least"] == pytest.approx(least, abs=1e-3)
    if largest:
        assert finding.found["largest"] == pytest.approx(largest, abs=1e-3)


def test_sce_is_not_symmetric_and_a_tiny_slope_is_seen() -> None:
    assert find(symmetric_sum_constant, "sce").verdict == "refuted"
    mae = bare(lambda s: 1 - torch.softmax(s, 1) + 1e-6 * ce(s))
    assert symmetric_sum_constant(mae).verdict == "refuted"
    assert symmetric_sum_constant(bare(lambda s: unhinged(s) * 1e-8)).verdict == "not_refuted"
    assert symmetric_sum_constant(bare(lambda s: ce(s) * 1e-12)).verdict == "refuted"


def test_agce_is_asymmetric_up_to_the_ratio_of_its_paper() -> None:
    """For a, q = 0.6 the heaviest weight has to be (1 + 1/a)^(1-q) = 1.48 times the next."""
    ratio = (1 + 1 / 0.6) ** 0.4
    finding = find(asymmetric, "agce")
    assert finding.verdict == "evidence_against"
    assert confirmed(examined("agce"), finding)
    uniform, pair = 3 / (3 + ratio), 1 / (1 + ratio)
    assert uniform - 0.03 < finding.found["largest_uniform_noise"] <= uniform
    assert pair - 0.03 < finding.found["largest_pair_noise"] <= pair


@pytest.mark.parametrize("name", ["mae", "nce", "apl_nce_rce", "lee_lin_wahba_hinge"])
def test_asymmetric_losses(name: str) -> None:
    finding = find(asymmetric, name)
    assert finding.verdict in HOLDS
    assert finding.found["largest_uniform_noise"] == 0.72


def test_cross_entropy_is_not_asymmetric_at_any_rate() -> None:
    finding = find(asymmetric, "cross_entropy")
    assert finding.verdict == "evidence_against"
    assert finding.found == {"largest_uniform_noise": 0.0, "largest_pair_noise": 0.0}
    assert "no lower bound" in (asymmetric(bare(unhinged)).reason or "")


@pytest.mark.parametrize("name", ["mae", "nce", "apl_nce_rce", "anl_ce"])
def test_uniform_noise_does_not_move_symmetric_losses(name: str) -> None:
    finding = find(noise_invariant_minimiser, name)
    assert finding.verdict in HOLDS
    assert finding.found["moved_by_uniform_noise"] < 1e-9


def test_kept_argmax_is_no_robustness() -> None:
    finding = find(noise_invariant_minimiser, "cross_entropy")
    assert finding.verdict == "evidence_against"
    assert confirmed(examined("cross_entropy"), finding)
    assert finding.found["argmax_kept_under_uniform_noise"] == 1.0
    assert finding.found["argmax_kept_under_pair_noise"] < 0.5
    assert finding.found["moved_by_pair_noise"] == pytest.approx(0.352, abs=1e-3)
    assert finding.found["moved_by_uniform_noise"] == pytest.approx(0.35, abs=0.01)


# --------------------------------------------------------------------------------- weight curves

WEIGHTS = {  # at p = .001, .01, .1, .3, .5, .7, .9, .99
    "cross_entropy": [1, 1, 1, 1, 1, 1, 1, 1],
    "label_smoothing": [0.93, 0.92, 0.92, 0.89, 0.85, 0.75, 0.25, -6.5],
    "focal": [1.01, 1.07, 1.22, 1.00, 0.60, 0.24, 0.03, 0.00],
    "gce": [0.008, 0.04, 0.20, 0.43, 0.62, 0.78, 0.93, 0.99],
    "mae": [0.002, 0.02, 0.20, 0.60, 1.0, 1.4, 1.8, 1.98],
    "nce": [0.03, 0.06, 0.13, 0.19, 0.20, 0.18, 0.12, 0.07],
    "apl_nce_rce": [0.04, 0.15, 1.05, 2.95, 4.8, 6.6, 8.4, 9.2],
    "anl_ce": [0.24, 0.35, 0.70, 1.04, 1.14, 1.12, 1.42, 11.1],
    "brier": [0.003, 0.03, 0.24, 0.56, 0.67, 0.56, 0.24, 0.03],
    "poly1_cross_entropy": [1.00, 1.02, 1.20, 1.60, 2.0, 2.4, 2.8, 2.98],
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_gradient_weights(name: str) -> None:
    found = find(probability_only, name).found
    assert found["p"] == [0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99]
    assert found["w"] == pytest.approx(WEIGHTS[name], rel=0.01, abs=0.0055)
    assert len(found["curve_p"]) == len(found["curve_w"]) <= 60


@pytest.mark.parametrize("name", PHI)
def test_losses_of_the_probability_alone(name: str) -> None:
    assert find(probability_only, name).verdict in HOLDS


@pytest.mark.parametrize(
    "name", ["brier", "label_smoothing", "nce", "balanced_softmax", "sigmoid_bce", HINGES[0]]
)
def test_losses_of_more_than_the_probability(name: str) -> None:
    finding = find(probability_only, name)
    assert finding.verdict == "refuted"
    assert confirmed(examined(name), finding)


def test_shapes_of_weight_curves_and_hyperparameters() -> None:
    focal = find(probability_only, "focal").found
    assert focal["shape"] == "largest at p = 0.1"
    assert focal["larger_hyperparameter"]["gamma"] == "raises w to p = 0.21, then lowers w"
    assert find(probability_only, "gce").found["larger_hyperparameter"] == {"q": "lowers w"}
    smoothed = find(probability_only, "label_smoothing").found
    assert smoothed["shape"] == "falls with p, negative from p = 0.93"
    assert smoothed["larger_hyperparameter"] == {"epsilon": "lowers w"}


# -------------------------------------------------------------------------------------- theorems

APPLIES = {
    "decreasing_in_probability": PHI,
    "log_score_of_softmax": ["cross_entropy", "balanced_softmax", "logit_adjustment"],
    "smoothed_log_score": ["label_smoothing"],
    "log_score_in_a_ball": ["logit_norm"],
    "squared_error_of_softmax": ["brier"],
    "squared_error_of_scores": ["squared_error_logits"],
    "log_score_of_sigmoids": ["sigmoid_bce"],
    "smooth_fenchel_young": ["sparsemax_loss", "entmax15_loss", "cross_entropy"],
    "fenchel_young_link": ["sparsemax_loss", "entmax15_loss"],
    "affine_in_probability": ["mae", "rce"],
    "symmetric_parts": ["mae", "nce", "apl_nce_rce", "anl_ce"],
    "active_passive": ["apl_nce_rce", "anl_ce", "mae"],
    "lee_lin_wahba": ["lee_lin_wahba_hinge"],
    "symmetrised_log_score": ["unhinged_multiclass"],
}


def test_every_theorem_is_applied_somewhere_and_every_proof_of_a_card_is_there() -> None:
    assert {*APPLIES, "fenchel_young"} == NAMES  # see test_certificates for that one
    cards = [registry.get_card(name) for name in registry.list_losses()]
    named = {claim.proof for card in cards for claim in card.properties.values() if claim.proof}
    assert {name for name in named if not name.startswith("dcp:")} <= NAMES


def test_a_proof_that_is_none_is_a_users_error() -> None:
    card = registry.get_card("mae")
    claims = {"symmetric_sum_constant": Claim(value=True, proof="affine")}
    subject = replace(examine("mae"), card=card.model_copy(update={"properties": claims}))
    with pytest.raises(UserError, match=r"card mae: field .*'affine'; legal: dcp:EXPRESSION, "):
        prove(subject, "symmetric_sum_constant")


@pytest.mark.parametrize(("theorem", "name"), [(t, n) for t, ns in APPLIES.items() for n in ns])
def test_theorems_apply(theorem: str, name: str) -> None:
    assert load(theorem).test(examined(name)) <= TOLERANCE


@pytest.mark.parametrize(
    ("theorem", "mutant"),
    [
        ("decreasing_in_probability", lambda s: ce(s) + 1e-6 * s.square()),
        ("decreasing_in_probability", lambda s: -ce(s)),  # rising
        ("decreasing_in_probability", lambda s: (ce(s) - 1).square()),  # not monotone
        ("decreasing_in_probability", lambda s: torch.exp(-ce(s)).sub(0.5).clamp(max=0).neg()),
        ("decreasing_in_probability", lag),  # unbounded below
        ("log_score_of_softmax", lambda s: ce(1.0001 * s)),
        ("log_score_of_softmax", lambda s: -ce(s)),
        ("smoothed_log_score", lambda s: 0.1 * ce(s).sum(1, keepdim=True) - ce(s)),
        ("log_score_in_a_ball", lambda s: ce(s / (0.1 + s.norm(dim=1, keepdim=True) ** 1.1))),
        ("log_score_in_a_ball", ce),
        ("squared_error_of_softmax", lambda s: (1 - torch.softmax(s, 1)).square()),
        ("smooth_fenchel_young", lambda s: ce(2 * s)),
        ("smooth_fenchel_young", lambda s: ce(3 * s) / 3),  # convex, but three times as steep
        ("smooth_fenchel_young", lambda s: torch.cos(s).sum(1, keepdim=True) / 9 - s),
        ("fenchel_young_link", ce),  # whose card says softmax
        ("affine_in_probability", lambda s: torch.softmax(s, 1)),
        ("affine_in_probability", lambda s: 1 - torch.softmax(s, 1) ** 1.0001),
        ("symmetric_parts", lambda s: 1 - torch.softmax(s, 1) + 1e-6 * ce(s)),
        ("active_passive", lambda s: ce(s) / ce(s).sum(1, keepdim=True)),  # active only
        ("lee_lin_wahba", lambda s: torch.relu(1 - s + s.mean(1, keepdim=True))),
        ("symmetrised_log_score", lambda s: s - s.mean(1, keepdim=True)),  # the wrong way round
        ("symmetrised_log_score", lambda s: s.logsumexp(1, keepdim=True) / 99 - s),
    ],
)
def test_theorems_reject_what_they_do_not_cover(
    theorem: str, mutant: Callable[[Tensor], Tensor]
) -> None:
    assert not load(theorem).test(bare(mutant)) <= TOLERANCE


@pytest.mark.parametrize("k", [3, 5, 10])
def test_a_wrong_leader_costs_a_passive_loss_the_kth_part_of_the_lead_and_not_half(k: int) -> None:
    """The bound in the proof `active_passive`, on its passive part alone: mae, where b = 2."""
    subject = examine("mae", k)
    g = torch.Generator().manual_seed(k)
    logits = torch.randn(500, k, generator=g, dtype=torch.float64)
    logits[:, 0] = logits.amax(1)  # class 0 leads
    q = torch.softmax(3 * torch.randn(500, k, generator=g, dtype=torch.float64), 1)
    best, lead = 2 * (1 - q.amax(1)), q.amax(1) - q[:, 0]
    assert bool((subject.risk(logits, q) - best >= 2 * lead / k - 1e-12).all())
    even = torch.full((1, k), 1 / (k - 1), dtype=torch.float64)
    even[0, 0] = 0
    excess = subject.risk(torch.zeros(1, k, dtype=torch.float64), even).item() - 2 * (
        1 - 1 / (k - 1)
    )
    assert excess == pytest.approx(2 / (k - 1) / k)


def test_of_the_minimisers_of_a_loss_of_distances_one_at_distances_is_shown():
    q = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    isomax, harmonic = examined("isomax"), examined("harmonic_loss")
    above = q.log() / 10 + 4.0  # any shift minimises: which one was found hangs on the processor
    at = readable(isomax, q, above, 1e-9)
    assert at.max() == 0
    assert isomax.risk(at[None], q[None]).item() == pytest.approx(
        isomax.risk(above[None], q[None]).item(), abs=1e-9
    )
    # A shift changes this loss: its minimiser is left where it was found.
    found = torch.tensor([3.0, -1.0, -2.0, -2.5], dtype=torch.float64)
    assert torch.equal(readable(harmonic, q, found, 1e-9), found)
