"""Probes of frozen features on toy data whose answer is known."""

import math

import pytest
import torch

from lossatlas.evaluation.probes import knn_accuracy, linear_probe_accuracy


def clusters(n: int, seed: int, spread: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes around three orthogonal directions."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    return torch.eye(3)[labels] + spread * torch.randn(n, 3, generator=generator), labels


@pytest.mark.parametrize("probe", [knn_accuracy, linear_probe_accuracy])
def test_separate_clusters_are_told_apart(probe):
    assert probe(*clusters(90, 0), *clusters(60, 1)) == 1.0


@pytest.mark.parametrize("probe", [knn_accuracy, linear_probe_accuracy])
def test_features_without_information_give_chance(probe):
    generator = torch.Generator().manual_seed(0)
    train, test = (
        torch.randn(2000, 8, generator=generator),
        torch.randn(2000, 8, generator=generator),
    )
    labels = torch.arange(2000) % 4
    assert probe(train, labels, test, labels) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("probe", [knn_accuracy, linear_probe_accuracy])
def test_the_result_has_no_seed(probe):
    data = (*clusters(90, 0, 1.0), *clusters(60, 1, 1.0))
    first = probe(*data)
    torch.rand(3)
    assert probe(*data) == first
    assert 0.4 < first < 1.0


def test_knn_votes_by_hand():
    # one neighbour of class 0 at cosine 1, two of class 1 at cosine c; query along the x axis
    def votes_for_zero(c: float) -> float:
        other = [c, math.sqrt(1 - c * c)]
        train = torch.tensor([[2.0, 0.0], other, [3 * x for x in other]])
        return knn_accuracy(
            train, torch.tensor([0, 1, 1]), torch.tensor([[5.0, 0.0]]), torch.tensor([0])
        )

    # class 0 wins while 1 > 2 exp((c - 1) / 0.07), that is c < 1 - 0.07 log 2 = 0.95148
    assert votes_for_zero(0.950) == 1.0
    assert votes_for_zero(0.953) == 0.0


def test_knn_uses_only_the_k_nearest():
    train = torch.tensor([[1.0, 0.0], [0.99, 0.141], [0.99, 0.141]])
    query, label = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    assert knn_accuracy(train, torch.tensor([0, 1, 1]), query, label, k=1) == 1.0
    assert knn_accuracy(train, torch.tensor([0, 1, 1]), query, label, k=3) == 0.0


def test_knn_ignores_the_length_of_features():
    train, labels = clusters(90, 0, 0.8)
    test, expected = clusters(60, 1, 0.8)
    lengths = torch.linspace(0.1, 10, 90)[:, None]
    assert knn_accuracy(train * lengths, labels, test, expected) == knn_accuracy(
        train, labels, test, expected
    )


def test_linear_probe_does_not_depend_on_the_scale_of_a_feature():
    train, labels = clusters(90, 0, 0.6)
    test, expected = clusters(60, 1, 0.6)
    scale = torch.tensor([1000.0, 1.0, 0.001])
    assert linear_probe_accuracy(train * scale + 5, labels, test * scale + 5, expected) == (
        linear_probe_accuracy(train, labels, test, expected)
    )


def test_linear_probe_cannot_solve_exclusive_or_but_neighbours_can():
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (400, 2), generator=generator) * 2.0 - 1
    points = signs + 0.1 * torch.randn(400, 2, generator=generator)
    labels = (signs.prod(1) > 0).long()
    halves = points[:200], labels[:200], points[200:], labels[200:]
    assert linear_probe_accuracy(*halves) < 0.8
    assert knn_accuracy(*halves, k=10) == 1.0


def test_linear_probe_survives_a_constant_feature():
    train, labels = clusters(90, 0)
    test, expected = clusters(60, 1)
    flat = torch.ones(90, 1)
    assert linear_probe_accuracy(
        torch.cat([train, flat], 1), labels, torch.cat([test, flat[:60]], 1), expected
    ) == 1.0  # fmt: skip


def test_linear_probe_works_under_no_grad():
    with torch.no_grad():
        assert linear_probe_accuracy(*clusters(90, 0), *clusters(60, 1)) == 1.0
