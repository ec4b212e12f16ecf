"""Small statistics against tables computed by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from lossatlas.analysis.statistics import Difference, cell, conclusion, detectable, holm, paired


def test_cell_of_three_values():
    found = cell([1.0, 2.0, 3.0])
    # mean 2, sd 1, t(0.975, 2) = 4.302653, half width 4.302653 / sqrt(3)
    assert found[:3] == (3, 2.0, 1.0)
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert found.high == pytest.approx(2 + 2.484138, abs=1e-6)


def test_cell_of_two_values_reaches_nine_standard_deviations():
    found = cell([0.70, 0.72])
    assert found.sd == pytest.approx(math.sqrt(2) / 100)
    assert (found.high - found.mean) / found.sd == pytest.approx(8.984644, abs=1e-5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (0, None, None, None, None)),
        ([0.5], (1, 0.5, None, None, None)),
        ([0.5, float("nan")], (1, 0.5, None, None, None)),
        ([0.1, 0.1, 0.1], (3, pytest.approx(0.1), 0.0, None, None)),
    ],
)
def test_cell_says_none_where_the_seeds_cannot_tell(values, expected):
    assert cell(values) == expected


def test_paired_difference_by_hand():
    # differences 1, 2, 3: t = 2 / (1 / sqrt(3)) = 3.464102, p = 0.074180
    found = paired({0: 2.0, 1: 4.0, 2: 6.0}, {0: 1.0, 1: 2.0, 2: 3.0})
    assert found[:3] == (3, 2.0, 1.0)
    assert found.p == pytest.approx(0.0741799, abs=1e-6)
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-6)


def test_pairing_uses_only_the_seeds_that_both_have():
    found = paired({0: 0.9, 1: 0.8, 7: 0.1}, {1: 0.7, 0: 0.7, 3: 0.0})
    assert found.n == 2
    assert found.mean == pytest.approx(0.15)


def test_paired_p_agrees_with_scipy():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=6), generator.normal(size=6)
    found = paired(dict(enumerate(a)), dict(enumerate(b)))
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs", "n", "mean", "word"),
    [
        ({0: 0.7}, {1: 0.6}, 0, None, "no pair"),
        ({0: 0.7}, {0: 0.6}, 1, 0.1, "no test"),
        ({0: 0.7, 1: 0.8}, {0: 0.6, 1: 0.7}, 2, 0.1, "no test"),
        ({0: 0.7, 1: 0.7}, {0: 0.7, 1: 0.7}, 2, 0.0, "no test"),
    ],
)
def test_without_spread_there_is_no_test(ours, theirs, n, mean, word):
    found = paired(ours, theirs)
    assert found.n == n
    assert found.mean == (None if mean is None else pytest.approx(mean))
    assert (found.low, found.high, found.p, found.detectable) == (None,) * 4
    assert conclusion(found, found.p) == word


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, then made monotone
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_with_ties_missing_values_and_a_cap():
    assert holm([0.02, None, 0.02, 0.9]) == [
        pytest.approx(0.06), None, pytest.approx(0.06), pytest.approx(0.9),
    ]  # fmt: skip
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("n", "in_sd"), [(2, 11.5499), (3, 3.2640), (5, 1.6820), (10, 0.9960)])
def test_detectable_difference_by_simulation_of_the_t_test(n, in_sd):
    assert detectable(1.0, n) == pytest.approx(in_sd, abs=1e-3)
    # the same from quantiles of the chi distribution: power is the mean over the sample's sd
    spread = np.sqrt(stats.chi2.ppf((np.arange(20_000) + 0.5) / 20_000, n - 1) / (n - 1))
    shift, critical = detectable(1.0, n) * math.sqrt(n), stats.t.ppf(0.975, n - 1)
    assert stats.norm.cdf(shift - critical * spread).mean() == pytest.approx(0.8, abs=1e-3)


def test_detectable_difference_scales_with_the_sd_and_needs_two_seeds():
    assert detectable(0.02, 5) == pytest.approx(0.02 * detectable(1.0, 5))
    assert detectable(0.02, 1) is None
    assert detectable(0.0, 5) is None


@pytest.mark.parametrize(
    ("mean", "p_holm", "word"),
    [(0.1, 0.049, "higher"), (-0.1, 0.049, "lower"), (0.1, 0.05, "not resolved")],
)
def test_conclusion(mean, p_holm, word):
    assert conclusion(Difference(3, mean, 0.1, 0.0, 0.2, 0.01, 0.1), p_holm) == word
