"""Certificates of convexity, and the minima and theorems that come with them."""

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lossatlas.cards import Claim
from lossatlas.errors import UserError
from lossatlas.theory import certificates
from lossatlas.theory.certificates import MISSING, Certificate, dcp, minimum_risk
from lossatlas.theory.proof import prove
from lossatlas.theory.subject import Subject, examine
from lossatlas.theory.theorems.fenchel_young import fenchel_young

CERTIFIED = (
    "balanced_softmax", "ldam", "lee_lin_wahba_hinge", "logit_adjustment", "mbls", "ovr_hinge",
    "sigmoid_bce", "squared_error_logits", "weston_watkins_hinge",
)  # fmt: skip
NO_MAJORITY = torch.tensor([0.45, 0.35, 0.10, 0.10], dtype=torch.float64)


def cross_entropy(s: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(s, y, reduction="none")


def proposed(function: Callable[[Tensor, Tensor], Tensor], proof: str) -> Subject:
    """A bare function with a card whose proof of convexity is `proof`."""
    card = examine("cross_entropy").card
    assert card is not None
    claim = Claim(value=True, proof=proof)
    changed = card.model_copy(update={"properties": {"convex_in_logits": claim}})
    return Subject("proposed", function, card=changed)


@pytest.mark.parametrize("name", CERTIFIED)
def test_the_cards_expression_is_convex_and_is_the_code(name: str) -> None:
    certificate = dcp(examine(name))
    assert certificate is not None
    assert certificate.text is not None, certificate.note
    residual = float(certificate.text.split("agrees to ")[1].split()[0])
    assert residual < 1e-13
    assert certificate.text.endswith("at K = 2, 3, 4, 7, 10 and scores up to 1e6")


def test_cross_entropy_is_certified() -> None:
    certificate = dcp(proposed(cross_entropy, "dcp: log_sum_exp(s) - s[y]"))
    assert certificate is not None
    assert certificate.text is not None


def test_the_log_prior_is_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates.agreement, "CLASSES", (4,))
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    plain = proposed(
        lambda s, y: cross_entropy(s, y) - prior.log()[y],
        "dcp: log_sum_exp(s) - s[y] - log_prior[y]",
    )
    certificate = dcp(replace(plain, class_counts=(8.0, 6.0, 4.0, 2.0)))
    assert certificate is not None
    assert certificate.text is not None, certificate.note


def test_a_loss_without_such_a_proof_has_no_certificate() -> None:
    assert dcp(examine("focal")) is None
    assert dcp(Subject("bare", cross_entropy)) is None


@pytest.mark.parametrize(
    ("proof", "note"),
    [
        ("dcp: log_sum_exp(s) - 0.999 * s[y]", "is not the code"),
        ("dcp: log_sum_exp(s) - s[y] + 1e-7 * pos(s[y] - 20)", "is not the code"),
        ("dcp: log_sum_exp(s) - max(s)", "not convex by the rules"),
        ("dcp: s", "no scalar"),
    ],
)
def test_another_function_or_one_that_is_not_convex_is_no_certificate(
    proof: str, note: str
) -> None:
    certificate = dcp(proposed(cross_entropy, proof))
    assert certificate is not None
    assert certificate.text is None
    assert note in (certificate.note or "")


@pytest.mark.parametrize(
    "proof",
    [
        "dcp: s.value", "dcp: softmax(s)", "dcp: log_sum_exp(s", "dcp: [t for t in s][0]",
        "dcp: 9**9**9", "dcp: 9**9999999999", "dcp: 1 << 9999999999", "dcp: 'a' * 9999999999",
        "dcp: s[y] ** K",
    ],
)  # fmt: skip
def test_what_is_no_expression_of_atoms_is_a_users_error(proof: str) -> None:
    with pytest.raises(UserError, match="cannot be evaluated"):
        dcp(proposed(cross_entropy, proof))


def test_without_cvxpy_the_note_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    assert dcp(examine("sigmoid_bce")) == Certificate(None, MISSING)
    assert minimum_risk(examine("sigmoid_bce"), NO_MAJORITY, None) is None


def test_least_risk_of_cross_entropy_is_the_entropy() -> None:
    subject = proposed(cross_entropy, "dcp: log_sum_exp(s) - s[y]")
    found = minimum_risk(subject, NO_MAJORITY, None)
    assert found is not None
    value, point = found
    assert value == pytest.approx(-torch.xlogy(NO_MAJORITY, NO_MAJORITY).sum().item(), abs=1e-7)
    assert torch.allclose(torch.softmax(point, 0), NO_MAJORITY, atol=1e-3)


def test_a_wrong_leader_costs_cross_entropy_what_merging_the_two_classes_costs() -> None:
    subject = proposed(cross_entropy, "dcp: log_sum_exp(s) - s[y]")
    found = minimum_risk(subject, NO_MAJORITY, 1)
    assert found is not None
    value, point = found
    tied = torch.tensor([0.4, 0.4, 0.1, 0.1], dtype=torch.float64)
    assert value == pytest.approx(-(NO_MAJORITY * tied.log()).sum().item(), abs=1e-7)
    assert point[1] == point.max()


def test_a_leader_has_to_lead_all_others() -> None:
    subject = proposed(cross_entropy, "dcp: log_sum_exp(s) - s[y]")
    found = minimum_risk(subject, NO_MAJORITY, 3)
    assert found is not None
    pooled = torch.tensor([0.3, 0.3, 0.1, 0.3], dtype=torch.float64)
    assert found[0] == pytest.approx(-(NO_MAJORITY * pooled.log()).sum().item(), abs=1e-7)


def test_hinges_of_known_least_risk() -> None:
    ww, llw = examine("weston_watkins_hinge"), examine("lee_lin_wahba_hinge")
    free, led = (minimum_risk(ww, NO_MAJORITY, lead) for lead in (None, 1))
    assert free is not None
    assert led is not None
    assert free[0] == pytest.approx(1.8, abs=1e-6)  # at (.5, .5, -.5, -.5)
    assert led[0] == pytest.approx(1.8, abs=1e-6)
    right, wrong = (minimum_risk(llw, NO_MAJORITY, lead) for lead in (None, 1))
    assert right is not None
    assert wrong is not None
    # All mass on the leader costs (1 - q) K / (K - 1) for Lee-Lin-Wahba; on two tied, more.
    assert right[0] == pytest.approx(0.55 * 4 / 3, abs=1e-6)
    assert wrong[0] > right[0] + 0.05


def test_a_risk_without_certificate_has_no_exact_minimum() -> None:
    assert minimum_risk(examine("focal"), NO_MAJORITY, None) is None


@pytest.mark.parametrize("name", ["cross_entropy", "sparsemax_loss", "entmax15_loss"])
def test_fenchel_young_losses_meet_the_hypotheses(name: str) -> None:
    assert fenchel_young.test(examine(name)) < 1e-9  # of scores up to 1e6


def test_the_theorem_proves_only_what_it_says() -> None:
    subject = proposed(cross_entropy, "fenchel_young")
    assert "proved of this formula" in (prove(subject, "convex_in_logits") or "")
    assert prove(subject, "smooth") is None


def wavy(s: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy whose prediction stays in the simplex, but whose conjugate is not convex."""
    wave = 0.02 * torch.sin(3 * (s[:, 0] - s[:, 1])) * torch.exp(-((s[:, 0] - s[:, 1]) ** 2))
    return cross_entropy(s, y) + wave * torch.exp(-((s - s.mean(1, keepdim=True)) ** 2).sum(1))


@pytest.mark.parametrize("name", ["label_smoothing", "poly1_cross_entropy", "ldam", "brier"])
def test_other_losses_do_not_meet_them(name: str) -> None:
    assert fenchel_young.test(examine(name)) > 0.01


@pytest.mark.parametrize(
    "function",
    [
        lambda s, y: s.mean(1) - s.gather(1, y[:, None]).squeeze(1),  # the prediction is no argmax
        # A concave function in place of the conjugate; its gradient lies in the simplex too.
        lambda s, y: -torch.logsumexp(-s, 1) - s.gather(1, y[:, None]).squeeze(1),
        lambda s, y: cross_entropy(s, y) + 0.1 * y,  # another function for each label
        lambda s, y: cross_entropy(s, y) + 0.1 * s.square().sum(1).detach(),  # another value
    ],
)
def test_each_hypothesis_is_tested(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert fenchel_young.test(Subject("mutant", function)) > 1e-3


def test_a_prediction_in_the_simplex_is_not_enough() -> None:
    subject = proposed(wavy, "fenchel_young")
    assert fenchel_young.test(subject) > 1e-6
    assert prove(subject, "convex_in_logits") is None
