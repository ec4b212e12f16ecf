"""Small statistics against tables computed by hand and against scipy."""

import math

import numpy as np
import pytest
from scipy import special, stats

from lossatlas.analysis.statistics import (
    BASELINE_SEEDS,
    Difference,
    Prior,
    by_arms,
    cell,
    conclusion,
    detectable,
    holm,
    is_within,
    moderated,
    p_equivalent,
    paired,
    prior,
    trigamma_inverse,
)  # fmt: skip

OWN = Prior(1.0, 0.0, math.inf)  # worth nothing: every variance is its own


def test_cell_of_three_values():
    found = cell([1.0, 2.0, 3.0])
    # mean 2, sd 1, t(0.975, 2) = 4.302653, half width 4.302653 / sqrt(3)
    assert found[:3] == (3, 2.0, 1.0)
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert found.high == pytest.approx(2 + 2.484138, abs=1e-6)


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


def test_trigamma_inverse_is_the_inverse():
    for y in (1e-3, 0.1, 1.0, 7.0, 1e4):
        assert trigamma_inverse(float(special.polygamma(1, y))) == pytest.approx(y, rel=1e-8)


def test_the_prior_is_found_again_from_variances_drawn_from_it():
    generator = np.random.default_rng(0)
    variances = 0.2 * 4 / generator.chisquare(4, 4000)  # scaled inverse chi-squared
    sizes = generator.integers(3, 9, 4000)
    arms = [generator.normal(70, math.sqrt(v), n) for v, n in zip(variances, sizes, strict=True)]
    found = prior(arms)
    assert found.df == pytest.approx(4, rel=0.1)
    assert found.variance == pytest.approx(0.2, rel=0.1)
    assert found.total == (sizes - 1).sum()


def test_arms_of_one_variance_are_pooled():
    # the same three values, moved: variances 1, no excess over the scatter of their logarithms
    found = prior([[m, m + 1, m + 2] for m in range(6)])
    assert found == (pytest.approx(1.0), math.inf, 12.0)
    assert moderated(1.0, 2, found) == (pytest.approx(1.0), 12.0)


def test_few_arms_and_arms_without_spread_lend_nothing():
    assert prior([[0.1, 0.2, 0.4]] * 4).df == 0.0
    assert prior([[0.1, 0.1, 0.1]] * 9) is None
    assert prior([[0.1]] * 9) is None
    assert prior([]) is None
    found = prior([[0.1, 0.1, 0.1], *([m, m + 1, m + 2 * m] for m in range(1, 9))])
    assert found.variance > 0
    assert math.isfinite(found.df)


def test_a_moderated_variance_by_hand():
    # (4 * 0.5 + 2 * 2.0) / (4 + 2) = 1, on 6 degrees of freedom, but never more than all arms have
    assert moderated(2.0, 2, Prior(0.5, 4.0, 100.0)) == (pytest.approx(1.0), 6.0)
    assert moderated(2.0, 2, Prior(0.5, 4.0, 5.0)) == (pytest.approx(1.0), 5.0)


def test_without_a_prior_the_difference_is_welchs_by_scipy():
    generator = np.random.default_rng(0)
    a, b = generator.normal(1, 2, size=4), generator.normal(size=8)
    found, told = by_arms(a, b, OWN), stats.ttest_ind(a, b, equal_var=False)
    low, high = told.confidence_interval()
    assert found.p == pytest.approx(told.pvalue, rel=1e-9)
    assert found.df == pytest.approx(told.df, rel=1e-9)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found[:3] == (4, 8, pytest.approx(a.mean() - b.mean()))


def test_each_variance_is_the_larger_of_its_own_and_the_moderated_one():
    a, b = [1.0, 2.0, 3.0], [0.0, 0.2, 0.4]  # variances 1 and 0.04
    told = Prior(0.3, 2.0, 100.0)  # moderated: (0.6 + 2) / 4 = 0.65 and (0.6 + 0.08) / 4 = 0.17
    found = by_arms(a, b, told)
    assert found.se == pytest.approx(math.sqrt((1 + 0.17) / 3))
    assert found.df == pytest.approx(1.17**2 / ((1 + 0.17**2) / 4))
    assert by_arms(a, b, told, larger=False).se == pytest.approx(math.sqrt((0.65 + 0.17) / 3))


@pytest.mark.parametrize(
    ("a", "b", "told", "n", "m", "mean"),
    [
        ([], [0.5] * 8, OWN, 0, 8, None),
        ([0.5], [], OWN, 1, 0, None),
        ([0.5, 0.7], [0.4, 0.5, 0.6], OWN, 2, 3, 0.1),
        ([0.5, 0.6, 0.7], [0.4, 0.6], OWN, 3, 2, 0.1),
        ([0.5, 0.6, 0.7, float("nan")], [0.4, 0.6, None], OWN, 3, 2, 0.1),
        ([0.6] * 3, [0.5] * 3, None, 3, 3, 0.1),
        ([0.6] * 3, [0.5] * 3, OWN, 3, 3, 0.1),
    ],
)
def test_too_few_seeds_and_no_spread_give_a_difference_alone(a, b, told, n, m, mean):
    found = by_arms(a, b, told)
    assert found[:3] == (n, m, None if mean is None else pytest.approx(mean))
    assert found[3:] == (None,) * 5


def test_twelve_points_at_three_seeds_are_seen_and_a_third_of_a_point_at_two_is_not():
    # measured on CIFAR-10: sd 0.36, 0.28, 0.21 and 1.38
    base = [78.24 + 0.36 * x for x in (-1.3, -0.9, -0.4, -0.1, 0.2, 0.6, 0.8, 1.1)]
    shape = np.array([-1.0, 0.0, 1.0])
    arms = [m + sd * shape for m, sd in ((78.56, 0.28), (77.65, 0.21), (66.63, 1.38))]
    arms += [78.2 + sd * shape for sd in (0.3, 0.4, 0.25)] * 9
    told = prior([base, *arms])
    adjusted = holm([by_arms(arm, base, told).p for arm in arms])
    assert adjusted[2] < 0.05
    few = by_arms([78.5, 78.6], base, told)
    assert few.p is None
    assert conclusion(few, few.p, 0.5) == "too few seeds"


def test_paired_difference_by_hand():
    # differences 1, 2, 3: t = 2 / (1 / sqrt(3)) = 3.464102, p = 0.074180
    found = paired({0: 2.0, 1: 4.0, 2: 6.0}, {0: 1.0, 1: 2.0, 2: 3.0})
    assert found[:3] == (3, 3, 2.0)
    assert found.p == pytest.approx(0.0741799, abs=1e-6)
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-6)


def test_pairing_uses_only_the_seeds_that_both_have():
    found = paired({0: 0.9, 1: 0.8, 7: 0.1}, {1: 0.7, 0: 0.7, 3: 0.0})
    assert found.n == 2
    assert found.mean == pytest.approx(0.15)
    assert (found.low, found.p) == (None, None)  # of two pairs nothing is said
    assert paired({0: 0.7}, {1: 0.6})[:3] == (0, 0, None)
    assert paired({0: 0.7, 1: 0.7}, {0: 0.7, 1: 0.7}).p is None


def test_paired_p_agrees_with_scipy():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=6), generator.normal(size=6)
    found = paired(dict(enumerate(a)), dict(enumerate(b)))
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-12)


@pytest.mark.parametrize("shift", [-0.4, 0.0, 0.3, 0.7])
def test_equivalence_is_two_one_sided_tests_by_scipy(shift):
    generator = np.random.default_rng(3)
    a, b = generator.normal(shift, 0.2, size=6), generator.normal(0, 0.2, size=8)
    found = by_arms(a, b, OWN)
    above = stats.ttest_ind(a + 0.5, b, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind(a - 0.5, b, equal_var=False, alternative="less").pvalue
    assert p_equivalent(found, 0.5) == pytest.approx(max(above, below), rel=1e-9)
    assert is_within(found, 0.5) is (found.low > -0.5 and found.high < 0.5)
    assert is_within(found, None) is False


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
    told = detectable(Difference(n, n, 0.0, 1 / math.sqrt(n), n - 1))
    assert told == pytest.approx(in_sd, abs=1e-3)
    # the same from quantiles of the chi distribution: power is the mean over the sample's sd
    spread = np.sqrt(stats.chi2.ppf((np.arange(20_000) + 0.5) / 20_000, n - 1) / (n - 1))
    shift, critical = told * math.sqrt(n), stats.t.ppf(0.975, n - 1)
    assert stats.norm.cdf(shift - critical * spread).mean() == pytest.approx(0.8, abs=1e-3)
    assert detectable(Difference(n, n, 0.0)) is None


@pytest.mark.parametrize(
    ("n", "mean", "se", "p_holm", "margin", "word"),
    [
        (3, 0.1, 0.1, 0.049, 0.5, "higher"),
        (3, -0.1, 0.1, 0.049, 0.5, "lower"),
        (3, 0.1, 0.01, 0.05, 0.5, "equivalent"),
        (3, 0.1, 0.01, 0.05, None, "not resolved"),
        (3, 0.1, 0.3, 0.05, 0.5, "not resolved"),
        (2, 9.0, None, None, 0.5, "too few seeds"),
        (3, 0.0, None, None, 0.5, "no test"),
        (0, None, None, None, 0.5, "not compared"),
    ],
)
def test_conclusion(n, mean, se, p_holm, margin, word):
    df = None if se is None else 9.0
    assert conclusion(Difference(n, BASELINE_SEEDS, mean, se, df), p_holm, margin) == word
