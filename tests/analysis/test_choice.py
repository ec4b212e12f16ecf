"""What to try next, what to keep, and what is said of it."""

import pytest

from lossatlas.analysis import choice


def settled(score, first):
    """All that is tried of a function of the step, in rounds."""
    tried, rounds = {}, []
    while asked := choice.ask(tried, first):
        rounds.append(asked)
        tried |= {step: score(step) for step in asked}
    return tried, rounds


@pytest.mark.parametrize("top", [-4, -1, 0, 3])
def test_the_best_ends_inside_what_was_tried(top):
    tried, rounds = settled(lambda step: 0.9 - 0.1 * abs(step - top), (-1, 0, 1))
    assert choice.best(tried) == top
    assert {top - 1, top, top + 1} <= set(tried)
    assert rounds[0] == [-1, 0, 1]
    assert len(tried) == max(3, abs(top) + 3)  # nothing is tried beyond what is needed
    assert choice.doubt(tried, 5000, choice.best(tried)) is None


def test_what_diverged_counts_as_tried_and_what_all_diverged_goes_down():
    tried, _ = settled(lambda step: None if step > -3 else 0.5 + 0.1 * step / 8, (0, 1))
    assert choice.best(tried) == -3
    assert sorted(tried) == [-4, -3, -2, -1, 0, 1]
    tried, _ = settled(lambda step: None, (0,))
    assert sorted(tried) == list(range(-choice.REACH, 1))
    assert choice.best(tried) is None
    assert choice.doubt(tried, 5000, choice.best(tried)) == "every trial diverged"


def test_a_search_ends_at_its_reach_and_says_so():
    tried, _ = settled(lambda step: 0.5 + step / 100, (-1, 0, 1))
    assert choice.best(tried) == choice.REACH
    assert choice.doubt(tried, 5000, choice.best(tried)) == "at the edge of what is tried"


def test_equal_scores_give_the_smallest_step_and_a_plateau_is_told():
    tried = {-1: 0.69, 0: 0.7, 1: 0.7, 2: 0.5}
    assert choice.best(tried) == 0
    # with 5,000 images a score of 0.7 has a standard error of 0.0065
    assert choice.doubt(tried, 5000, choice.best(tried)) == "others score within a standard error"
    assert choice.doubt({-1: 0.693, 0: 0.7, 1: 0.5}, 5000, 0) is None
    assert choice.doubt({-1: 0.694, 0: 0.7, 1: None}, 5000, 0) is not None


def test_between_scores_that_cannot_be_told_apart_a_second_opinion_decides():
    # label smoothing on CIFAR-10, three epochs: on test images step 0 is better by a point
    tried = {0: 0.7742, 1: 0.7784, 2: 0.741}
    assert [choice.kept(tried, 5000, near) for near in (-1, 0, 1, 2)] == [0, 0, 1, 1]
    assert choice.kept(tried, 50_000, 0) == 1  # with more images they are told apart
    assert choice.kept({-1: 0.7, 0: 0.5, 1: 0.7}, 5000, 0) == -1
    assert choice.kept({0: None}, 5000, 0) is None
    assert choice.ask(tried, (0, 1), 0) == [-1]  # what is kept has both neighbours, as the best has
    assert choice.ask(tried | {-1: 0.75}, (0, 1), 0) == []
