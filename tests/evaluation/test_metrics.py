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


@pytest.mark.parametrize("k", [1, 3, 5, 15])
def test_equal_scores_lie_on_an_edge_and_belong_to_the_bin_below_it(k):
    # the confidence is 1/k exactly, the edge 15/k of the bins
    r = metrics.reliability(torch.zeros(4, k), torch.zeros(4, dtype=torch.int64))
    assert torch.nonzero(r.counts).flatten().tolist() == [15 // k - 1]


@pytest.mark.parametrize("edge", range(16))
def test_a_confidence_on_an_edge_belongs_to_the_bin_below_it(edge):
    r = metrics._binned(torch.tensor([edge / 15], dtype=torch.float64), torch.tensor([True]))
    assert torch.nonzero(r.counts).flatten().tolist() == [max(0, edge - 1)]
    if 0 < edge < 15:
        above = torch.tensor([math.nextafter(edge / 15, 1)], dtype=torch.float64)
        assert metrics._binned(above, torch.tensor([True])).counts[edge] == 1


@pytest.mark.parametrize("k", [3, 5])
def test_what_lies_on_an_edge_is_pooled_with_the_bin_below_it(k):
    # half at confidence 1/k, right 0.04 too often; half in the middle of the bin below, too rarely
    below = 1 / k - 1 / 30
    p = torch.full((2000, 50), (1 - below) / 49, dtype=torch.float64)
    p[:, 0] = below
    p[:1000] = 0
    p[:1000, :k] = 1 / k
    labels = torch.ones(2000, dtype=torch.int64)
    labels[: round(1000 * (1 / k + 0.04))] = 0
    labels[1000 : 1000 + round(1000 * (below - 0.04))] = 0
    assert metrics.ece(p.log(), labels) == pytest.approx(0, abs=5e-4)


def test_certain_predictions_and_nearly_certain_ones_share_the_last_bin():
    # apart, as in a sixteenth bin, they would have an ECE of 0.04: 1.00 against 0.96, and back
    scores = torch.cat(
        [torch.tensor([[1000.0, 0.0]]).repeat(100, 1), with_confidence(*[0.96] * 100)]
    )
    labels = torch.zeros(200, dtype=torch.int64)
    labels[:4] = 1  # 0.96 of the certain are right, and all of the others
    assert metrics.ece(scores, labels) == pytest.approx(0, abs=1e-12)


def test_the_ece_is_exact_in_float64():
    logits, labels = random_case(3)
    expected = ece_by_hand(logits.double().softmax(1).numpy(), labels.numpy())
    assert metrics.ece(logits, labels) == pytest.approx(expected, rel=1e-13)


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


@pytest.mark.parametrize("seed", range(3))
def test_ece_of_equal_mass_and_by_class_agree_with_their_definitions(seed):
    logits, labels = random_case(seed)
    p, y = logits.double().softmax(1).numpy(), labels.numpy()
    order = np.argsort(p.max(1), kind="stable")
    parts = np.array_split(order, 15)
    gaps = [len(b) / len(y) * abs((p.argmax(1) == y)[b].mean() - p.max(1)[b].mean()) for b in parts]
    assert metrics.ece_equal_mass(logits, labels) == pytest.approx(sum(gaps), rel=1e-9)
    total = 0.0
    for k in range(5):
        for b in range(15):
            inside = (p[:, k] > b / 15) & (p[:, k] <= (b + 1) / 15)
            if inside.any():
                total += abs((y == k)[inside].mean() - p[inside, k].mean()) * inside.mean() / 5
    assert metrics.ece_classwise(logits, labels) == pytest.approx(total, rel=1e-9)


def test_aurc_by_hand():
    # most confident first: right, wrong, right: risks 0, 1/2, 1/3
    logits, labels = with_confidence(0.7, 0.9, 0.8), torch.tensor([0, 0, 1])
    assert metrics.aurc(logits, labels) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)


def test_aurc_of_equal_confidences_is_the_mean_over_their_orders():
    logits, labels = with_confidence(0.9, 0.9, 0.6), torch.tensor([0, 1, 0])
    orders = ((0, 1 / 2, 1 / 3), (1, 1 / 2, 1 / 3))
    assert metrics.aurc(logits, labels) == pytest.approx(np.mean(orders))
    same, mixed = with_confidence(*[0.8] * 10), torch.tensor([0] * 7 + [1] * 3)
    assert metrics.aurc(same, mixed) == pytest.approx(0.3)


def test_balanced_accuracy_counts_each_class_that_is_there_once():
    logits = torch.eye(3)[[0, 0, 0, 1, 0]]
    assert metrics.balanced_accuracy(logits, torch.tensor([0, 0, 0, 1, 1])) == pytest.approx(0.75)


def test_summary_holds_the_fields_of_a_row():
    logits, labels = random_case(1)
    found = metrics.summary(logits, labels)
    assert found["test_accuracy"] == metrics.accuracy(logits, labels)
    assert found["test_ece"] == metrics.ece(logits, labels)
    assert (found["test_ece_floor"], found["test_ece_floor_sd"]) == metrics.ece_floor(logits)
    assert found["test_nll"] == metrics.nll(logits, labels)
    assert found["test_brier"] == metrics.brier(logits, labels)
    debiased = metrics.ece(logits, labels) - metrics.ece_floor(logits)[0]
    assert found["test_ece_debiased"] == max(0.0, debiased)
    assert found["test_ece_equal_mass"] == metrics.ece_equal_mass(logits, labels)
    assert found["test_ece_classwise"] == metrics.ece_classwise(logits, labels)
    assert found["test_aurc"] == metrics.aurc(logits, labels)
    assert found["test_balanced_accuracy"] == metrics.balanced_accuracy(logits, labels)


def test_hits_by_type_of_target():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    assert metrics.hits(logits, torch.tensor([0, 1])).tolist() == [True, False]
    soft = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    assert metrics.hits(logits, soft).tolist() == [True, False]
    assert metrics.hits(logits, soft > 0).tolist() == [True, False]


TAIL = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]  # CIFAR-10 at imbalance 100


def by_size(counts, right):
    """Two test images a class, of which the first `right[k]` are answered rightly."""
    k = len(counts)
    labels = torch.arange(k).repeat_interleave(2)
    hit = torch.tensor([i < right[c] for c in range(k) for i in range(2)])
    logits = torch.eye(k)[torch.where(hit, labels, (labels + 1) % k)]
    return metrics.by_class_size(logits, labels, torch.tensor(counts))


def test_accuracy_by_the_size_of_the_class():
    right = [2, 2, 1, 1, 1, 0, 2, 1, 0, 0]
    told = {"many": 5 / 6, "medium": 1 / 2, "few": 1 / 6}  # 3, 4 and 3 classes
    wanted = {f"test_{name}_accuracy": pytest.approx(value) for name, value in told.items()}
    assert by_size(TAIL, right) == wanted
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0)).tolist()
    assert by_size([TAIL[i] for i in order], [right[i] for i in order]) == wanted


def test_classes_of_one_size_stay_together():
    right = [2, 2, 2, 2, 1, 0, 0, 0, 0, 1]
    found = by_size([100] * 5 + [2] * 5, right)
    assert found == {"test_many_accuracy": 0.9, "test_few_accuracy": pytest.approx(0.1)}
    assert by_size([9, 9, 9, 1], [2, 2, 1, 0]) == {
        "test_many_accuracy": pytest.approx(5 / 6), "test_few_accuracy": 0.0,
    }  # fmt: skip
    assert by_size([4, 1], [2, 1]) == {"test_many_accuracy": 1.0, "test_few_accuracy": 0.5}


@pytest.mark.parametrize("counts", [[50] * 10, [99, 60, 50], [7], [0, 0, 0]])
def test_classes_of_about_one_size_are_no_groups(counts):
    assert by_size(counts, [1] * len(counts)) == {}


def test_a_group_without_test_images_is_left_out():
    logits, labels = torch.eye(3)[[0, 1]], torch.tensor([0, 1])
    found = metrics.by_class_size(logits, labels, torch.tensor([100, 50, 1]))
    assert found == {"test_many_accuracy": 1.0, "test_medium_accuracy": 1.0}
