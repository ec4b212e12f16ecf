"""Hyperparameter search with one budget for every loss: a grid or random draws.

Searched are the learning rate and the hyperparameters whose cards say where. A trial is a setting
of all of them, as overrides: `{"recipe.lr": 0.375, "loss.gamma": 2.0}`.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from lossatlas.analysis.choice import nearly_best
from lossatlas.cards import Card, Search
from lossatlas.seeds import derive

RATE = "recipe.lr"
REACH = 10  # the rate is searched from a tenth of the recipe's own to ten times it
DIGITS = 4  # of a value that is tried, so that ids and files can be read

Trial = dict[str, float]


class Dimension(NamedTuple):
    """What is searched: the override `key`, its value by default, and where to look."""

    key: str
    default: float
    where: Search

    def at(self, share: float) -> float:
        """The value `share` of the way, in [0, 1), from low to high."""
        low, high, scale = self.where.low, self.where.high, self.where.scale
        if scale == "integer":
            value = low + math.floor(share * self.room)
        elif scale == "log":
            value = low * (high / low) ** share
        else:
            value = low + share * (high - low)
        return min(max(float(f"{value:.{DIGITS}g}"), low), high)

    def off(self, value: float) -> float:
        """How far `value` is from the default, as a share of the way from low to high."""
        low, high = self.where.low, self.where.high
        if self.where.scale == "log":
            return abs(math.log(value / self.default) / math.log(high / low))
        return abs(value - self.default) / (high - low)

    @property
    def room(self) -> float:
        """How many values there are."""
        return self.where.high - self.where.low + 1 if self.where.scale == "integer" else math.inf


def dimensions(card: Card, rate: float) -> list[Dimension]:
    """What is searched for a loss: the rate around the recipe's own, then what its card says."""
    around = Search(low=rate / REACH, high=rate * REACH, scale="log")
    return [
        Dimension(RATE, rate, around),
        *(
            Dimension(f"loss.{name}", h.default, h.search)
            for name, h in card.hyperparameters.items()
            if h.search
        ),
    ]


def grid(of: Sequence[Dimension], n: int) -> list[Trial]:
    """Exactly n trials, whatever the number of dimensions: a product of levels.

    The prime factors of n, the largest first, each multiply the levels of the dimension that has
    the fewest yet (and as many values). Levels are the middles of equal parts of the scale; a
    dimension with one level stays at its default.
    """
    levels = [1] * len(of)
    for factor in sorted(_primes(n), reverse=True):
        fit = [i for i, dimension in enumerate(of) if levels[i] * factor <= dimension.room]
        levels[min(fit, key=lambda i: levels[i])] *= factor
    values = [
        [d.default] if k == 1 else [d.at((i + 0.5) / k) for i in range(k)]
        for d, k in zip(of, levels, strict=True)
    ]
    return [
        dict(zip((d.key for d in of), point, strict=True)) for point in itertools.product(*values)
    ]


def random(of: Sequence[Dimension], n: int, seed: int) -> list[Trial]:
    """n trials: the defaults, then independent draws, even on each dimension's scale.

    A draw depends on the seed, the dimension's key and the number of the trial only: the rates
    are the same for all losses, and one more hyperparameter changes no other draw. (So nothing
    keeps a draw from repeating another after rounding; the rate alone has 18,000 values.)
    """
    draws = [
        {d.key: d.at(derive(seed, "search", d.key, trial) / 2**63) for d in of}
        for trial in range(1, n)
    ]
    return [{d.key: d.default for d in of}, *draws]


def choose(
    of: Sequence[Dimension], trials: Sequence[Trial], scores: Sequence[float | None], n: int
) -> Trial | None:
    """The trial to keep, by scores on n held-out images (None: diverged); None if all diverged.

    Of the nearly best ones it is that of the smallest rate, on ties the one nearest to the
    defaults (the sum of the ways on all scales), then the first.
    """
    done = [
        (trial, score) for trial, score in zip(trials, scores, strict=True) if score is not None
    ]
    if not done:
        return None
    near = [done[i][0] for i in nearly_best([score for _, score in done], n)]
    return min(near, key=lambda trial: (trial[RATE], sum(d.off(trial[d.key]) for d in of)))


def _primes(n: int) -> list[int]:
    """The prime factors of n, ascending; none for 1."""
    found, factor = [], 2
    while n > 1:
        while n % factor == 0:
            found.append(factor)
            n //= factor
        factor += 1
    return found
