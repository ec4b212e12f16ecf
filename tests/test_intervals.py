"""Intervals written as text."""

import math

import pytest

from lossatlas.intervals import Interval, in_range


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("[0, 1]", [0, 0.5, 1], [-1e-9, 1 + 1e-9]),
        ("(0, 1)", [1e-9, 0.5], [0, 1]),
        ("[0, 1)", [0], [1]),
        ("(0, 1]", [1], [0]),
        ("[0, inf)", [0, 1e300], [-1, math.inf, math.nan]),
        ("(-inf, inf)", [-1e300, 0, 1e300], [math.inf, -math.inf, math.nan]),
        (" [ -2.5e-1 ,+1E2 ) ", [-0.25, 99], [-0.3, 100]),
        ("whole [1, inf)", [1, 2.0, 1e300], [0, 1.5, math.inf, math.nan]),
    ],
)
def test_membership_follows_the_brackets(
    text: str, inside: list[float], outside: list[float]
) -> None:
    interval = Interval.parse(text)
    assert all(value in interval for value in inside)
    assert not any(value in interval for value in outside)


@pytest.mark.parametrize("value", [True, "0.5", None, [0.5]])
def test_what_is_not_a_number_lies_in_no_interval(value: object) -> None:
    assert value not in Interval.parse("[0, 1]")


@pytest.mark.parametrize(
    "text", ["", "0, 1", "[0; 1]", "[0, 1", "[0]", "[a, b]", "[0, 1] or 2", "[1-2, 3]", "[0, nan]"]
)
def test_text_that_is_no_interval_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not an interval such as") as caught:
        Interval.parse(text)
    assert repr(text) in str(caught.value)


def test_interval_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'\[1, 0\]' ends before it begins"):
        Interval.parse("[1, 0]")


def test_in_range_returns_a_float() -> None:
    value = in_range("gamma", 2, "[0, inf)")
    assert value == 2.0
    assert isinstance(value, float)


def test_in_range_says_what_is_legal() -> None:
    with pytest.raises(ValueError, match=r"^gamma must be a number in \[0, inf\), not -1$"):
        in_range("gamma", -1, "[0, inf)")
    with pytest.raises(ValueError, match=r"^t must be a whole number in \[1, 9\], not 1\.5$"):
        in_range("t", 1.5, "whole [1, 9]")


@pytest.mark.parametrize(
    "bomb", ["9" * 300_000, " " * 300_000, "9." * 150_000, "1e" + "9" * 300_000]
)
def test_a_long_text_is_refused_in_no_more_time_than_its_length_takes(bomb: str) -> None:
    with pytest.raises(ValueError, match="is not an interval such as") as caught:
        Interval.parse(f"[0, {bomb}")
    assert len(str(caught.value)) < 200
