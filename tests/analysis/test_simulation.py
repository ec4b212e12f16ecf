"""The script that simulates the tests: it repeats itself, and it notices what it counts."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lossatlas.analysis.statistics import Difference

PATH = Path(__file__).parents[2] / "scripts" / "simulate_statistics.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("simulate_statistics", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_survey_is_the_same_twice(script):
    kind = script.SURVEYS[4]
    first, second = (script.table(kind, script.simulate(kind, 2)) for _ in range(2))
    assert first == second
    assert len(first) == 5 + len(script.TESTS)


def test_runs_are_missing_diverge_and_collapse_as_told(script):
    def drawn(**more):
        kind = script.Survey("x", seeds=8, **more)
        return script.draw(kind, np.random.default_rng(0))

    arms, truth = drawn(missing=1.0)
    assert not any(arms)
    arms, _ = drawn(diverged=1.0)
    assert [len(arm) for arm in arms] == [8] * 29 + [0] * 4
    arms, truth = drawn(collapsed=1.0)
    assert truth[-4:].tolist() == [-20.0] * 4
    for arm, true in zip(arms[1:], truth, strict=True):
        assert np.mean(list(arm.values())) == pytest.approx(78 + true, abs=4)


def test_what_a_statement_says_is_held_against_the_truth(script):
    counts, truth = script.Counts(), np.array([0.0, 1.0, 1.0, 0.0])
    found = [
        Difference(3, 8, 0.1, 0.01, 9.0, 0.05, 0.15, 1e-9),  # a false discovery
        Difference(3, 8, 1.1, 0.1, 9.0, 0.9, 1.3, 1e-6),
        Difference(3, 8, 0.1, 0.1, 9.0, -0.1, 0.3, 0.4),  # missed, and called equivalent
        Difference(3, 8, 0.1, 0.6, 9.0, -1.2, 1.4, 0.8),  # of an unstable loss
    ]
    counts.add(found, truth, stable=3)
    assert counts.surveys == [True]
    assert counts.found == {0.0: [True], 1.0: [True, False]}
    assert counts.covered == {True: [False, True, False], False: [True]}
    assert counts.equal == {0.0: [False], 1.0: [False, True]}


def test_a_second_stage_gives_more_seeds_to_contenders_alone(script):
    kind = script.Survey("x", losses=5, unstable=0, second=5)
    means = (78.0, 70.0, 79.0, 60.0, 78.5, 78.2)
    off = (-0.2, 0.0, 0.2, 0.1, -0.1)
    arms = [{s: mean + d for s, d in enumerate(off)} for mean in means]
    found, contended = script.staged(kind, arms)
    assert [len(arm) for arm in found] == [5, 3, 5, 3, 5, 5]
    assert contended == 3
    assert found[2] == arms[2]


def test_the_best_that_is_found_is_held_against_what_it_is(script):
    counts = script.Counts()
    found = [
        Difference(3, 8, 1.4, 0.1, 9.0, 1.2, 1.6, 1e-6),
        Difference(3, 8, 0.9, 0.1, 9.0, 0.7, 1.1, 1e-6),
        Difference(3, 8, 2.0, 1.5, 9.0, -1.0, 5.0, 0.5),  # larger, and not found
    ]
    counts.add(found, np.array([1.0, 0.9, 0.0]), stable=3)
    assert counts.flattery == pytest.approx([0.4])
