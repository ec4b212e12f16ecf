"""Properties of losses of embeddings, with known answers."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.theory import records
from lossatlas.theory.checks import CHECKS
from lossatlas.theory.properties.embeddings import (
    batch_size_invariant,
    collapse_is_minimal,
    duplicate_invariant,
    permutation_invariant,
    rotation_invariant,
)
from lossatlas.theory.subject import Subject, examine
from lossatlas.theory.verdict import Finding
from theory.functions import confirmed


def attraction(z: Tensor, y: None) -> Tensor:
    """1 - cosine of the partners: no negatives, so nothing keeps samples apart."""
    return 1 - (F.normalize(z[0], dim=1) * F.normalize(z[1], dim=1)).sum(1)


def first_axis(z: Tensor, y: None) -> Tensor:
    """Distance of the partners along the first axis."""
    return (z[0, :, 0] - z[1, :, 0]).square()


def first_sample(z: Tensor, y: None) -> Tensor:
    """Distance of the partners of the first sample."""
    return (z[0, :1] - z[1, :1]).square().sum(1)


def total(z: Tensor, y: None) -> Tensor:
    """Sum over the batch in place of a mean."""
    return (z[0] - z[1]).square().sum()[None]


def same_label(z: Tensor, y: Tensor) -> Tensor:
    """Mean squared distance to the samples of the same class."""
    gaps = (z[0][:, None] - z[1][None]).square().sum(2)
    same = y[:, None] == y[None]
    return torch.where(same, gaps, 0.0).sum(1) / same.sum(1)


CONTRASTIVE = examine("nt_xent")
ATTRACTION = Subject("attraction", attraction, "two_view")
LABELLED = Subject("same_label", same_label, "two_view_labelled")
Check = Callable[[Subject], Finding]


@pytest.mark.parametrize(
    ("check", "subject"),
    [
        (rotation_invariant, CONTRASTIVE),
        (rotation_invariant, LABELLED),
        (permutation_invariant, CONTRASTIVE),
        (permutation_invariant, LABELLED),
        (duplicate_invariant, ATTRACTION),
        (duplicate_invariant, LABELLED),
        (batch_size_invariant, ATTRACTION),
        (collapse_is_minimal, ATTRACTION),
        (collapse_is_minimal, LABELLED),
    ],
)
def test_holds(check: Check, subject: Subject) -> None:
    assert check(subject).verdict == "not_refuted"


@pytest.mark.parametrize(
    ("check", "subject"),
    [
        (rotation_invariant, Subject("first_axis", first_axis, "two_view")),
        (permutation_invariant, Subject("first_sample", first_sample, "two_view")),
        (duplicate_invariant, CONTRASTIVE),
        (duplicate_invariant, Subject("total", total, "two_view")),
        (batch_size_invariant, CONTRASTIVE),
        (batch_size_invariant, Subject("total", total, "two_view")),
        (batch_size_invariant, examine("proxy_anchor")),  # with proxies for four classes
        (collapse_is_minimal, CONTRASTIVE),
    ],
)
def test_fails(check: Check, subject: Subject) -> None:
    finding = check(subject)
    assert finding.verdict == "refuted"
    assert confirmed(subject, finding)


def test_value_of_a_collapsed_batch() -> None:
    """Each of 2N embeddings has its partner among 2N - 1 equal others."""
    found = collapse_is_minimal(CONTRASTIVE).found
    assert found["collapsed"] == pytest.approx(math.log(7), rel=1e-5)
    assert found["best"] < 0.5 < found["random"]


def test_contrast_grows_with_the_logarithm_of_the_batch() -> None:
    found = batch_size_invariant(CONTRASTIVE).found
    growth = [b - a for a, b in zip(found["value"], found["value"][1:], strict=False)]
    assert growth[-1] == pytest.approx(math.log(2), abs=0.15)
    flat = batch_size_invariant(ATTRACTION).found
    assert max(flat["value"]) < 1.5


@pytest.mark.parametrize("name", ["rotation_invariant", "collapse_is_minimal"])
def test_only_for_embeddings(name: str) -> None:
    assert CHECKS[name].misfit(CONTRASTIVE) is None
    assert CHECKS[name].misfit(examine("cross_entropy")) is not None
    assert CHECKS["bounded"].misfit(CONTRASTIVE) is None
    assert CHECKS["bounded"].misfit(examine("mae")) is None


def test_complementary_labels_are_left_out() -> None:
    subject = Subject("other", lambda s, y: s.gather(1, y[:, None])[:, 0], "complementary")
    record = records.run(CHECKS["bounded"], subject)
    assert record["verdict"] == "not_applicable"
    assert "complementary" in record["reason"]
