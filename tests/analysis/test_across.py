"""What holds over several conditions, against scipy and by hand."""

import numpy as np
import pytest
from scipy import stats

from lossatlas.analysis import across, arms
from rows import whole


def rows(scenarios, values):
    """Runs of the losses with these accuracies, the same in every scenario but for its shift."""
    return [
        whole(f"{loss}-{scenario}-{seed}", loss=loss, scenario=scenario, seed=seed,
              test_accuracy=value + shift)
        for scenario, shift in scenarios.items()
        for loss, many in values.items()
        for seed, value in enumerate(many)
    ]  # fmt: skip


def summaries(found):
    return across.summaries([(c, arms.results(c)) for c in arms.conditions(found, [])])


def test_probability_of_better_is_mann_whitneys_u():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=5).round(1), generator.normal(size=7).round(1)
    expected = stats.mannwhitneyu(a, b).statistic / 35
    assert across.p_better(a, b) == pytest.approx(expected)
    assert across.p_better(a, b, higher=False) == pytest.approx(1 - expected)
    assert across.p_better([1.0], [1.0]) == 0.5


@pytest.mark.parametrize("n", [1, 3, 4, 9, 16])
def test_interquartile_mean_agrees_with_scipy(n):
    values = np.random.default_rng(n).normal(size=n)
    assert across.iqm(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_gain_is_to_the_baseline_of_its_own_condition():
    cells = [([0.5, 0.6], [0.4, 0.6]), ([0.9, 0.8], [0.8, 0.8])]
    assert across.gain(cells) == pytest.approx(across.iqm([0.0, 0.1, 0.1, 0.0]))


def test_the_interval_needs_three_conditions_and_covers_both_levels():
    cells = [([0.50, 0.52, 0.54], [0.5]), ([0.60, 0.62, 0.64], [0.5]), ([0.7, 0.72, 0.74], [0.5])]
    assert across.interval(cells[:2]) is None
    low, high = across.interval(cells)
    assert across.interval(cells) == (low, high)
    # among three conditions all may be the worst or the best one
    assert low < 0.06
    assert high > 0.18
    assert low < across.gain(cells) < high


def test_a_summary_has_the_losses_that_are_everywhere():
    values = {
        "cross_entropy": [0.7, 0.71, 0.72],
        "focal": [0.6, 0.61, 0.62],
        "mae": [0.5, 0.5, 0.6],
    }
    found = rows({"clean": 0.0, "few_labels": -0.1}, values)
    found = [row for row in found if (row["loss"], row["scenario"]) != ("mae", "clean")]
    [told] = summaries(found)
    assert [one.label for one in told.losses] == ["cross_entropy", "focal"]
    base, focal = told.losses
    assert (base.rank, focal.rank, focal.rank_sd) == (1.0, 2.0, 0.0)
    assert (base.iqm, focal.better) == (0.0, 0.0)
    assert focal.iqm == pytest.approx(-0.1)
    assert focal.low is None


@pytest.mark.parametrize(
    "left_out",
    [lambda row: row["scenario"] == "clean", lambda row: row["loss"] == "cross_entropy",
     lambda row: row["loss"] == "focal"],
)  # fmt: skip
def test_nothing_is_summed_up_of_one_condition_or_without_a_baseline_or_a_loss(left_out):
    values = {"cross_entropy": [0.7, 0.71], "focal": [0.6, 0.61]}
    found = rows({"clean": 0.0, "few_labels": -0.1}, values)
    assert summaries([row for row in found if not left_out(row)]) == []
