"""Temperature scaling: known temperatures, extremes, and what it leaves as it is."""

import math

import pytest
import torch
import torch.nn.functional as F

from lossatlas.evaluation import metrics
from lossatlas.evaluation.temperature import LEAST, MOST, fitted


def calibrated(seed=0, n=20_000, k=10):
    """Logits (n, k) float64 and labels that are drawn from their softmax."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("true", [0.2, 1.0, 2.5])
def test_a_known_temperature_is_found_again_within_the_error_of_sampling(true, seed):
    logits, labels = calibrated(seed)
    p = logits.softmax(1)
    # the Fisher information of 1/T at T = 1 is the mean variance of a sample's logits
    information = ((p * logits**2).sum(1) - (p * logits).sum(1) ** 2).sum().item()
    assert fitted(true * logits, labels) == pytest.approx(true, rel=4 / math.sqrt(information))
    assert 4 / math.sqrt(information) < 0.04


def test_it_is_the_minimum_and_where_the_slope_is_zero():
    logits, labels = calibrated(n=500)
    found = fitted(4 * logits, labels)
    t = torch.tensor(found, dtype=torch.float64, requires_grad=True)
    F.cross_entropy(4 * logits / t, labels).backward()
    assert abs(t.grad.item()) < 1e-9
    best = metrics.nll(4 * logits / found, labels)
    for other in (0.5, 0.9, 0.999, 1.001, 1.1, 2):
        assert best < metrics.nll(4 * logits / (found * other), labels)


@pytest.mark.parametrize("seed", range(5))
def test_on_the_images_it_was_fitted_on_the_nll_does_not_rise(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 10 ** (seed - 2) * torch.randn(200, 4, generator=generator)
    labels = torch.randint(4, (200,), generator=generator)
    scaled = logits.double() / fitted(logits, labels)
    assert metrics.nll(scaled, labels) <= metrics.nll(logits, labels)
    assert metrics.accuracy(scaled, labels) == metrics.accuracy(logits, labels)


def test_it_goes_with_the_scale_of_the_scores_and_not_with_their_level():
    logits, labels = calibrated(n=300)
    found = fitted(logits, labels)
    assert fitted(7 * logits, labels) == pytest.approx(7 * found, rel=1e-8)
    level = torch.linspace(-50, 50, 300, dtype=torch.float64)[:, None]
    assert fitted(logits + level, labels) == pytest.approx(found, rel=1e-8)
    assert fitted(logits.float(), labels) == pytest.approx(found, rel=1e-6)


def test_several_classes_count_in_equal_or_given_shares():
    logits, labels = calibrated(n=300)
    hot = F.one_hot(labels, 10)
    assert fitted(logits, hot.bool()) == fitted(logits, hot.float()) == fitted(logits, labels)
    soft = logits.softmax(1)  # what it says itself
    assert fitted(2.5 * logits, soft) == pytest.approx(2.5, rel=1e-8)
    sets = (hot + hot.roll(1, 0)) > 0
    assert fitted(logits, sets) == pytest.approx(fitted(logits, sets / sets.sum(1)[:, None]))
    assert fitted(logits, sets) > fitted(logits, labels)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_extremes_are_defined(scale):
    right, labels = scale * torch.eye(3), torch.arange(3)
    assert fitted(right, labels) == LEAST
    assert fitted(right, labels.roll(1)) == MOST
    assert fitted(scale * torch.full((3, 4), 0.1), labels) == 1
    assert fitted(right[:1], labels[:1]) == LEAST
    for where in (LEAST, MOST, 1.0):
        found = metrics.scaled(right, labels.roll(1), where)
        assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_scores_that_are_not_finite_are_refused(bad):
    logits = torch.eye(3)
    logits[1, 2] = bad
    with pytest.raises(ValueError, match="must be finite"):
        fitted(logits, torch.arange(3))


def test_an_aurc_of_two_classes_stays_for_no_confidence_is_reordered():
    logits, labels = calibrated(n=500, k=2)
    for temperature in (0.3, 2.5, 40):
        found = metrics.scaled(logits, labels, temperature)
        assert found["test_aurc_ts"] == pytest.approx(metrics.aurc(logits, labels), rel=1e-12)


def test_an_aurc_of_three_classes_may_change():
    # A small lead over one class against a larger one over two: at T = 1 the number of rivals
    # decides which is more confident, at a small T the lead.
    logits = torch.tensor([[2.0, 1.9, -9.0], [0.0, -0.35, -0.35]], dtype=torch.float64)
    labels = torch.tensor([0, 1])
    first, second = logits.softmax(1).amax(1).tolist()
    assert first > second
    assert metrics.aurc(logits, labels) == pytest.approx((0 + 1 / 2) / 2)
    sharper = 0.05
    first, second = (logits / sharper).softmax(1).amax(1).tolist()
    assert first < second
    assert metrics.scaled(logits, labels, sharper)["test_aurc_ts"] == pytest.approx(3 / 4)


def test_what_is_scaled_is_what_the_metrics_say_of_divided_logits():
    logits, labels = calibrated(n=400)
    found, again = metrics.scaled(logits, labels, 2.5), metrics.summary(logits / 2.5, labels)
    assert {name.removesuffix("_ts"): value for name, value in found.items()} == {
        name: value for name, value in again.items() if not name.endswith("accuracy")
    }
