"""Special cases, targets and reductions, with known answers."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lossatlas.cards import Limit
from lossatlas.losses.base import LogitLoss
from lossatlas.theory.properties.contracts import (
    reduction_contract,
    special_cases,
    target_algebra,
)
from lossatlas.theory.subject import Subject, examine
from lossatlas.theory.witness_code import python
from theory import functions
from theory.functions import confirmed


def with_limits(subject: Subject, *limits: Limit) -> Subject:
    """The subject with other special cases on its card."""
    card = subject.card or examine("cross_entropy").card
    assert card is not None
    return replace(subject, card=card.model_copy(update={"limits": list(limits)}), _memory={})


@pytest.mark.parametrize(
    "name", ["focal", "gce", "crammer_singer_hinge", "soft_target_kl", "balanced_softmax"]
)
def test_cards_tell_the_truth(name: str) -> None:
    finding = special_cases(examine(name))
    assert finding.verdict == "not_refuted"
    assert all(case["residual"] < 1e-4 for case in finding.found["cases"])


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("gce", Limit(equals="mae", when={"q": 1.0})),  # it is half of it
        ("focal", Limit(equals="cross_entropy", when={"gamma": 0.001})),
        ("label_smoothing", Limit(equals="cross_entropy")),
        ("set_margin_hinge", Limit(equals="crammer_singer_hinge", and_there={"margin": 1.01})),
    ],
)
def test_false_identities(name: str, limit: Limit) -> None:
    subject = with_limits(examine(name), limit)
    finding = special_cases(subject)
    assert finding.verdict == "refuted"
    assert confirmed(subject, finding)
    assert finding.witness is not None
    lines = python(name, finding.witness).splitlines()
    scope: dict[str, object] = {}
    for line in lines[:-1]:
        exec(line, scope)
    printed = lines[-1].split("  # ")[0].removeprefix("print")
    assert eval(printed, scope) == pytest.approx(finding.witness.value, rel=1e-9)


def test_only_a_violated_limit_is_blamed() -> None:
    true = Limit(equals="cross_entropy", when={"gamma": 0.0})
    false = Limit(equals="mae", when={"gamma": 0.0})
    finding = special_cases(with_limits(examine("focal"), true, false))
    assert finding.verdict == "refuted"
    assert finding.witness is not None
    assert "mae" in finding.witness.says
    assert finding.found["cases"][0]["residual"] < 1e-14
    assert finding.found["cases"][1]["residual"] > 1


@pytest.mark.parametrize(
    "limit",
    [
        Limit(equals="nt_xent", when={"gamma": 0.0}),
        Limit(equals="forward_complementary", when={"gamma": 0.0}),
        Limit(equals="gce", when={"gamma": 0.0}, and_there={"q": 0.0}),
    ],
    ids=lambda limit: limit.equals,
)
def test_what_cannot_be_compared_is_said_and_hides_nothing(limit: Limit) -> None:
    finding = special_cases(with_limits(examine("focal"), limit))
    assert finding.verdict == "inconclusive"
    assert finding.reason is not None
    assert f"{limit.equals}" in finding.reason
    assert "cannot be compared: " in finding.reason
    false = Limit(equals="mae", when={"gamma": 0.0})
    assert special_cases(with_limits(examine("focal"), limit, false)).verdict == "refuted"
    true = Limit(equals="cross_entropy", when={"gamma": 0.0})
    assert special_cases(with_limits(examine("focal"), true, limit)).verdict == "inconclusive"


def test_an_epsilon_is_another_loss() -> None:
    subject = Subject("epsilon_inside_function", functions.epsilon_inside)
    finding = special_cases(with_limits(subject, Limit(equals="cross_entropy")))
    assert finding.verdict == "refuted"
    assert finding.worst is not None
    assert finding.worst > 100


def test_rounding_is_no_violated_identity() -> None:
    """Ten million more and less lose nine digits; at 50 digits nothing is lost."""

    def rounded(s: Tensor, y: Tensor) -> Tensor:
        return functions.cross_entropy(s, y) + 1e7 - 1e7

    limit = Limit(equals="cross_entropy", tolerance=1e-10)
    finding = special_cases(with_limits(Subject("rounded", rounded), limit))
    assert finding.verdict == "not_refuted"
    assert 1e-10 < finding.found["rounding"] < 3e-9


def test_a_threshold_inside_torch_belongs_to_the_code() -> None:
    """torch's softplus drops 2e-9 above 20, at 50 digits as well: it is another function."""
    subject = Subject("sigmoid_by_softplus_function", functions.sigmoid_by_softplus)
    finding = special_cases(with_limits(subject, Limit(equals="sigmoid_bce", tolerance=1e-10)))
    assert finding.verdict == "refuted"
    assert finding.worst is not None
    assert 1e-10 < finding.worst < 3e-9


def test_no_special_case() -> None:
    assert special_cases(Subject("none", functions.unhinged)).verdict == "not_applicable"


def test_soft_targets() -> None:
    finding = target_algebra(examine("soft_target_kl"))
    assert finding.verdict == "not_refuted"
    assert finding.found["gap"] > 0.1  # the entropy of q,
    assert finding.found["gap_varies_by"] < 1e-12  # which does not depend on the scores

    def soft_cross_entropy(s: Tensor, q: Tensor) -> Tensor:
        return -(q * torch.log_softmax(s, 1)).sum(1)

    linear = target_algebra(Subject("soft", soft_cross_entropy, "distribution"))
    assert linear.verdict == "not_refuted"
    assert linear.found["gap"] < 1e-12

    def root(s: Tensor, q: Tensor) -> Tensor:
        return -(q.sqrt() * torch.log_softmax(s, 1)).sum(1)

    concave = Subject("root", root, "distribution")
    finding = target_algebra(concave)
    assert finding.verdict == "refuted"
    assert confirmed(concave, finding)


def test_label_sets() -> None:
    assert target_algebra(examine("set_margin_hinge")).verdict == "not_refuted"

    def log_mass(s: Tensor, inside: Tensor) -> Tensor:
        return torch.logsumexp(s, 1) - torch.logsumexp(s.masked_fill(~inside, -1e9), 1)

    def average(s: Tensor, inside: Tensor) -> Tensor:
        return -(inside * torch.log_softmax(s, 1)).sum(1) / inside.sum(1)

    assert target_algebra(Subject("mass", log_mass, "label_set")).verdict == "not_refuted"
    dearer = Subject("average", average, "label_set")
    finding = target_algebra(dearer)
    assert finding.verdict == "refuted"
    assert confirmed(dearer, finding)
    assert target_algebra(examine("cross_entropy")).verdict == "not_applicable"


@pytest.mark.parametrize("name", ["cross_entropy", "sce", "soft_target_kl", "ldam", "nt_xent"])
def test_reductions(name: str) -> None:
    assert reduction_contract(examine(name)).verdict == "not_refuted"


def test_a_sum_in_place_of_a_mean() -> None:
    class Wrong(LogitLoss):
        target = "class_index"

        def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
            return functions.cross_entropy(logits, target)

        def forward(self, inputs: Tensor, target: Tensor | None = None) -> Tensor:
            assert target is not None
            values = self.per_sample(inputs, target)
            return values if self.reduction == "none" else values.sum()

    loss = Wrong()
    loss.reduction = "none"
    finding = reduction_contract(Subject("wrong", loss, loss=loss))
    assert finding.verdict == "inconclusive"
    assert finding.worst is not None
    assert finding.worst > 0.5
    assert reduction_contract(Subject("bare", functions.unhinged)).verdict == "not_applicable"
