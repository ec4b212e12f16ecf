"""Intervals written as text, `[0, 1)`: the ranges of hyperparameters on cards and in code.

`whole [1, 99]` holds the whole numbers of an interval.
"""

import math
import re
from numbers import Real
from typing import NamedTuple

# No digit can be read in two ways, so that a long text takes no longer than its length.
_NUMBER = r"([-+]?(?:inf|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?))"
_FORM = re.compile(rf"^\s*(whole\s)?\s*([\[(])\s*{_NUMBER}\s*,\s*{_NUMBER}\s*([\])])\s*$")


class Interval(NamedTuple):
    """A real interval; `low_open` means that `low` itself is outside, `whole` all fractions."""

    low: float
    high: float
    low_open: bool
    high_open: bool
    whole: bool = False

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read `[0, inf)`; raises ValueError that quotes the text."""
        match = _FORM.match(text)
        if not match:
            raise ValueError(
                f"range {text[:60]!r} is not an interval such as '[0, 1)' or '(0, inf)'"
            )
        whole, left, low, high, right = match.groups()
        interval = cls(float(low), float(high), left == "(", right == ")", bool(whole))
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
        if not math.isfinite(value) or (self.whole and not value.is_integer()):
            return False
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below


def in_range(name: str, value: float, interval: str) -> float:
    """`value` as a float if it lies in `interval`, else a ValueError that says what is legal."""
    if value not in Interval.parse(interval):
        kind = "a number in" if interval[0] != "w" else "a whole number in"
        raise ValueError(f"{name} must be {kind} {interval.removeprefix('whole ')}, not {value!r}")
    return float(value)
