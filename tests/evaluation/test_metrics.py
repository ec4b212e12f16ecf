"""Metrics of frozen logits against brute force and numbers by hand."""

import math

import numpy as np
import pytest
import torch

from lossatlas.evaluation import metrics


def with_confidence(*confidences: float) -> torch.Tensor:
    """Two-class logits (N, 2) that predict class 0 with these probabilities."""
    p = torch.tensor(confidences, dtype=torch.float64)
    return torch.stack([p, 1 - p], 1).log()


def random_case(seed: int, n: int = 300, k: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, k, generator=generator)
    return logits, torch.randint(k, (n,), generator=generator)


def ece_by_hand(p: np.ndarray, labels: np.ndarray) -> float:
    """Definition: sum over right-closed bins of n_b / N |acc - conf|, 15 bins."""
    confidence, hit = p.max(1), p.argmax(1) == labels
    total = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    return total


def test_accuracy_and_recall_by_hand():
    logits = torch.tensor([[2.0, 1, 0], [2, 1, 0], [0, 3, 1], [0, 0, 9]])
    labels = torch.tensor([0, 1, 1, 2])
    assert metrics.accuracy(logits, labels) == 0.75
    assert metrics.per_class_recall(logits, labels).tolist() == [1.0, 0.5, 1.0]


def test_recall_of_a_class_without_samples_is_nan():
    recall = metrics.per_class_recall(torch.eye(3), torch.tensor([0, 1, 1]))
    assert recall.tolist()[:2] == [1.0, 0.5]
    assert math.isnan(recall[2])


def test_nll_and_brier_by_hand():
    logits, labels = with_confidence(0.8, 0.8), torch.tensor([0, 1])
    assert metrics.nll(logits, labels) == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2)
    assert metrics.brier(logits, labels) == pytest.approx((2 * 0.2**2 + 2 * 0.8**2) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_brier_is_the_squared_distance_to_one_hot(seed):
    logits, labels = random_case(seed)
    p = logits.double().softmax(1)
    expected = (p - torch.nn.functional.one_hot(labels, 5)).square().sum(1).mean().item()
    assert metrics.brier(logits, labels) == pytest.approx(expected, rel=1e-12)


def test_nll_stays_finite_for_extreme_logits():
    logits = torch.tensor([[1000.0, 0.0], [1000.0, 0.0]])
    assert metrics.nll(logits, torch.tensor([0, 1])) == pytest.approx(500.0)


def test_ece_by_hand():
    # bins of 1/15: 0.62 and 0.65 share (0.6, 0.667]; 0.91 lies in (0.867, 0.933]
    logits, labels = with_confidence(0.62, 0.65, 0.91, 0.91), torch.tensor([0, 1, 0, 0])
    expected = 2 / 4 * abs(0.5 - 0.635) + 2 / 4 * abs(1 - 0.91)
    assert metrics.ece(logits, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_ece_agrees_with_its_definition(seed):
    logits, labels = random_case(seed)
    expected = ece_by_hand(logits.double().softmax(1).numpy(), labels.numpy())
    assert metrics.ece(logits, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_reliability_diagram_adds_up_to_the_ece(seed):
    logits, labels = random_case(seed)
    r = metrics.reliability(logits, labels)
    gaps = (r.counts / r.counts.sum() * (r.accuracy - r.confidence).abs()).nansum().item()
    assert gaps == pytest.approx(metrics.ece(logits, labels), abs=1e-6)
    assert r.counts.sum() == len(labels)


def test_reliability_bins_are_closed_on_the_right():
    eps = 1e-9
    r = metrics.reliability(with_confidence(0.6, 0.6 + eps, 1 - 1e-15), torch.tensor([0, 0, 0]))
    # 0.6 is the edge 9/15: itself in bin 8, anything above it in bin 9
    assert torch.nonzero(r.counts).flatten().tolist() == [8, 9, 14]
    assert r.edges.tolist() == pytest.approx([b / 15 for b in range(16)])


def test_certain_predictions_fall_into_the_last_bin():
    r = metrics.reliability(torch.tensor([[1000.0, 0.0]]), torch.tensor([0]))
    assert r.counts[14] == 1
    assert (r.confidence[14], r.accuracy[14]) == (1.0, 1.0)


def calibrated_model(n: int, accuracy: float, k: int = 10) -> torch.Tensor:
    """Logits (n, k) whose mean confidence is `accuracy`: Gaussian scores with a leading class."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(n, k, generator=generator, dtype=torch.float64)
    scores[:, 0] += 1.5
    low, high = 0.1, 20.0
    for _ in range(40):  # the scale at which the mean confidence is right
        scale = (low + high) / 2
        too_low = (scale * scores).softmax(1).amax(1).mean().item() < accuracy
        low, high = (scale, high) if too_low else (low, scale)
    return low * scores


@pytest.mark.parametrize(
    ("n", "accuracy", "floor", "spread"),
    [(10_000, 0.91, 0.0061, 0.0018), (10_000, 0.78, 0.0091, 0.0022), (1_000, 0.91, 0.0185, 0.0037)],
)
def test_ece_floor_of_a_calibrated_model(n, accuracy, floor, spread):
    # measured elsewhere with other confidences of the same mean: near, not equal
    mean, sd = metrics.ece_floor(calibrated_model(n, accuracy))
    assert mean == pytest.approx(floor, rel=0.3)
    assert sd == pytest.approx(spread, rel=0.5)


def test_ece_floor_is_reproducible_and_below_the_ece_of_an_overconfident_model():
    logits, labels = random_case(0)
    assert metrics.ece_floor(logits) == metrics.ece_floor(logits)
    mean, sd = metrics.ece_floor(10 * logits)
    assert metrics.ece(10 * logits, labels) > mean + 10 * sd


def test_summary_holds_the_fields_of_a_row():
    logits, labels = random_case(1)
    found = metrics.summary(logits, labels)
    assert found["test_accuracy"] == metrics.accuracy(logits, labels)
    assert found["test_ece"] == metrics.ece(logits, labels)
    assert (found["test_ece_floor"], found["test_ece_floor_sd"]) == metrics.ece_floor(logits)
    assert found["test_nll"] == metrics.nll(logits, labels)
    assert found["test_brier"] == metrics.brier(logits, labels)
