"""The curves of a loss: published weights, closed forms, and the geometry of the simplex."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lossatlas.theory import curves
from lossatlas.theory.subject import Subject, examine

P = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
# Gradient weights relative to cross-entropy for four classes, to the digits they were noted with.
TABLE = {
    "cross_entropy": ("1", "1", "1", "1", "1", "1", "1", "1"),
    "label_smoothing": (".93", ".92", ".92", ".89", ".85", ".75", ".25", "-6.5"),
    "focal": ("1.01", "1.07", "1.22", "1.00", ".60", ".24", ".03", ".00"),
    "gce": (".008", ".04", ".20", ".43", ".62", ".78", ".93", ".99"),
    "mae": (".002", ".02", ".20", ".60", "1.0", "1.4", "1.8", "1.98"),
    "nce": (".03", ".06", ".13", ".19", ".20", ".18", ".12", ".07"),
    "brier": (".003", ".03", ".24", ".56", ".67", ".56", ".24", ".03"),
}


@pytest.mark.parametrize("name", TABLE)
def test_weights_are_those_of_the_table(name: str) -> None:
    table = curves.weights(examine(name), P)
    assert table.index.name == "p"
    for found, noted in zip(table["every label"], TABLE[name], strict=True):
        digits = len(noted.partition(".")[2])
        assert found == pytest.approx(float(noted), abs=0.51 * 10**-digits)


@pytest.mark.parametrize("r", [0.3, 0.7])
def test_weight_of_a_power_is_the_power(r: float) -> None:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        log_p = torch.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]
        return (1 - torch.exp(r * log_p)) / r

    table = curves.weights(Subject("power", loss))
    np.testing.assert_allclose(table["every label"], table.index.to_numpy() ** r, rtol=1e-10)


def test_the_grid_runs_from_a_thousandth_to_99_percent() -> None:
    assert curves.GRID[0] == pytest.approx(0.001, rel=1e-12)
    assert curves.GRID[-1] == pytest.approx(0.99, rel=1e-12)
    assert len(curves.GRID) <= 60


def test_frequent_and_rare_labels_have_curves_of_their_own() -> None:
    table = curves.weights(examine("balanced_softmax"), P)
    assert list(table) == ["most frequent label", "rarest label"]
    assert table["most frequent label"].iloc[-1] < 1 < table["rarest label"].iloc[-1]


@pytest.mark.parametrize("k", [3, 4])
def test_margins_of_cross_entropy_are_the_two_sides_of_its_sandwich(k: int) -> None:
    m = [-30.0, -1.0, 0.0, 2.0, 30.0]
    table = curves.margins(examine("cross_entropy", k), m)
    assert list(table) == ["K=2", f"K={k}"]
    for at in m:
        row = table.loc[at]
        assert row["K=2"] == pytest.approx(np.logaddexp(0, -at), rel=1e-12)
        assert row[f"K={k}"] == pytest.approx(np.logaddexp(0, math.log(k - 1) - at), rel=1e-12)


def test_margins_lie_on_scores_of_mean_zero() -> None:
    seen: list[Tensor] = []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        seen.append(logits)
        return logits.square().sum(1)

    curves.margins(Subject("square", loss), [1.0, 3.0])
    for logits in seen:
        assert logits.mean(1).abs().max() < 1e-15
        assert torch.allclose(logits[:, 0] - logits[:, 1], torch.tensor([1.0, 3.0]).double())


def test_field_of_cross_entropy_in_closed_form() -> None:
    table = curves.field(examine("cross_entropy"))
    p, d = table[["p0", "p1", "p2"]].to_numpy(), table[["d0", "d1", "d2"]].to_numpy()
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(d.sum(1), 0, atol=1e-15)
    pull = np.array([1.0, 0, 0]) - p
    closed = p * (pull - (p * pull).sum(1, keepdims=True))
    np.testing.assert_allclose(d, closed, atol=1e-14)
    assert p.min() > 0


def test_field_of_a_loss_that_prefers_another_class_points_there() -> None:
    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return -torch.log_softmax(logits, 1)[:, 2]

    table = curves.field(Subject("stubborn", loss))
    assert (table["d2"] > 0).all()
    assert (table["d0"] < 0).any()


@pytest.mark.parametrize("name", ["soft_target_kl", "set_margin_hinge", "ldam"])
def test_all_curves_of_other_targets_are_finite(name: str) -> None:
    subject = examine(name)
    for table in (curves.weights(subject), curves.margins(subject), curves.field(subject)):
        assert np.isfinite(table.to_numpy()).all()
        assert len(table) > 20
