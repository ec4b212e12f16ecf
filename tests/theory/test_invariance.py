"""Invariances in the inputs, with known answers."""

import pytest
import torch
from torch import Tensor

from lossatlas.theory.properties.invariance import (
    permutation_equivariant,
    scale_invariant,
    shift_invariant,
)
from lossatlas.theory.subject import Subject, examine
from theory import functions
from theory.functions import bare, confirmed


@pytest.mark.parametrize("name", ["cross_entropy", "gce", "nce", "brier", "lee_lin_wahba_hinge"])
def test_shift_invariant(name: str) -> None:
    assert shift_invariant(examine(name)).verdict == "not_refuted"


@pytest.mark.parametrize("name", ["sigmoid_bce", "squared_error_logits", "ovr_hinge", "logit_norm"])
def test_not_shift_invariant(name: str) -> None:
    subject = examine(name)
    finding = shift_invariant(subject)
    assert finding.verdict == "refuted"
    assert confirmed(subject, finding)


def test_a_slight_drift_is_seen() -> None:
    def drifting(s: Tensor, y: Tensor) -> Tensor:
        return functions.cross_entropy(s, y) + 1e-6 * s.mean(1)

    finding = shift_invariant(bare(drifting))
    assert finding.verdict == "refuted"
    assert finding.worst == pytest.approx(1e-4 / 1.5, rel=0.1)


def test_a_detached_shift_is_no_refutation() -> None:
    """The value is invariant; only the gradient, cut short, says otherwise."""

    def detached(s: Tensor, y: Tensor) -> Tensor:
        return functions.cross_entropy(s - s.amax(1, keepdim=True).detach(), y) + (
            s - s.mean(1, keepdim=True).detach()
        ).sum(1)

    finding = shift_invariant(bare(detached))
    assert finding.verdict == "inconclusive"
    assert finding.reason is not None
    assert "rounding" in finding.reason


def test_large_values_are_judged_relatively() -> None:
    """At scale 30 rounding is 1e-13 of values near 1e4, not 1e-9 of one."""

    def large(s: Tensor, y: Tensor) -> Tensor:
        return 1e6 * functions.cross_entropy(30 * s, y)

    assert shift_invariant(bare(large)).verdict == "not_refuted"


def test_scale_invariant_but_for_its_epsilon() -> None:
    finding = scale_invariant(examine("logit_norm"))
    assert finding.verdict == "not_refuted"
    assert finding.worst is not None
    assert 1e-9 < finding.worst < 1e-5


@pytest.mark.parametrize("name", ["cross_entropy", "mae", "crammer_singer_hinge"])
def test_not_scale_invariant(name: str) -> None:
    assert scale_invariant(examine(name)).verdict == "refuted"


def test_embeddings_on_the_sphere_are_scale_invariant() -> None:
    assert scale_invariant(examine("nt_xent")).verdict == "not_refuted"

    def inner(z: Tensor, y: None) -> Tensor:
        first, second = z[0], z[1]
        return -(first * second).sum(1)

    plain = Subject("inner_products", inner, "two_view")
    finding = scale_invariant(plain)
    assert finding.verdict == "refuted"
    assert confirmed(plain, finding)


@pytest.mark.parametrize(
    "name", ["cross_entropy", "set_margin_hinge", "soft_target_kl", "balanced_softmax", "ldam"]
)
def test_permutation_equivariant(name: str) -> None:
    assert permutation_equivariant(examine(name)).verdict == "not_refuted"


@pytest.mark.parametrize("function", [functions.biased, functions.ordered])
def test_classes_with_names(function: functions.Function) -> None:
    subject = bare(function)
    finding = permutation_equivariant(subject)
    assert finding.verdict == "refuted"
    assert confirmed(subject, finding)


def test_class_counts_are_permuted_along() -> None:
    """Without that, a loss that uses them would look as if its classes had names."""
    subject = examine("balanced_softmax")
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order, labels = torch.tensor([3, 2, 1, 0]), torch.arange(50) % 4
    moved = subject.values(logits[:, order], order.argsort()[labels])
    assert (moved - subject.values(logits, labels)).abs().max() > 0.1
