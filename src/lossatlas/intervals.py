"""Intervals written as text, `[0, 1)`: the ranges of hyperparameters on cards and in code."""

import math
import re
from numbers import Real
from typing import NamedTuple

# No digit can be read in two ways, so that a long text takes no longer than its length.
_NUMBER = r"([-+]?(?:inf|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?))"
_FORM = re.compile(rf"^\s*([\[(])\s*{_NUMBER}\s*,\s*{_NUMBER}\s*([\])])\s*$")


class Interval(NamedTuple):
    """A real interval; `low_open` means that `low` itself is outside."""

    low: float
    high: float
    low_open: bool
    high_open: bool

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read `[0, inf)`; raises ValueError that quotes the text."""
        match = _FORM.match(text)
        if not match:
            raise ValueError(
                f"range {text[:60]!r} is not an interval such as '[0, 1)' or '(0, inf)'"
            )
        left, low, high, right = match.groups()
        interval = cls(float(low), float(high), left == "(", right == ")")
        if interval.low > interval.high:
            raise ValueError(f"range {text[:60]!r} ends before it begins")
        return interval

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, Real):  # Real: NumPy's numbers as well
            return False
        try:
            value = float(value)
        except OverflowError:  # a whole number beyond the largest float
            return False
        if not math.isfinite(value):
            return False
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below


def in_range(name: str, value: float, interval: str) -> float:
    """`value` as a float if it lies in `interval`, else a ValueError that says what is legal."""
    if value not in Interval.parse(interval):
        raise ValueError(f"{name} must be a number in {interval}, not {value!r}")
    return float(value)
