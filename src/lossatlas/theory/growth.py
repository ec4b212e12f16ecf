"""How large a slope or a curvature gets: its largest value, and its growth near a point and afar.

A supremum that random points miss is climbed to; a supremum that is infinite shows as a power law
over many decades of the distance.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lossatlas.theory import design

Height = Callable[[Tensor, Tensor], Tensor]
# Distances from the origin, where float64 is exact near zero: a floor of 1e-12 beside a norm, or a
# threshold of 1e8, ends a growth that looked endless before. Beyond 1e12 slopes are rounding.
FAR = tuple(10.0**e for e in (-100, -80, -60, -40, -30, -20, -16, *range(-12, 7), 8, 10, 12))
HOME = 1e-9  # what is closer to zero is seen on the ladder from there
NEAR = tuple(10.0**e for e in range(-12, 0))  # distances from a place that is known to 1e-14
DECADES = 4  # rungs, from the first to the last of which an exponent is measured
RAYS = 40  # or more, for many classes
GROWS = 0.25  # exponents beyond this count as growth without bound
CLEARLY = 10.0  # a witness compares rungs whose heights differ by that factor


class Peak(NamedTuple):
    """The largest height found, and the logits (k,) and number of the target that attain it."""

    height: float
    at: Tensor
    target: int


class Ladder(NamedTuple):
    """Largest finite heights (R,) at distances `radii`, at points (R, k) for targets (R,)."""

    radii: tuple[float, ...]
    heights: Tensor
    points: Tensor
    targets: Tensor

    @property
    def at_centre(self) -> float | None:
        """The exponent e of height ~ r^e at the smallest distances; None where it vanishes."""
        return self._exponent(0, DECADES - 1)

    @property
    def at_infinity(self) -> float | None:
        """The exponent at the largest distances with finite heights; None where it vanishes."""
        return self._exponent(len(self.radii) - DECADES, len(self.radii) - 1)

    def _exponent(self, first: int, last: int) -> float | None:
        first, last = max(first, 0), min(last, len(self.radii) - 1)
        low, high = self.heights[first].item(), self.heights[last].item()
        if not (low > 0 and high > 0) or first == last:
            return None
        return math.log10(high / low) / math.log10(self.radii[last] / self.radii[first])

    def growth(self) -> tuple[str, int, int] | None:
        """Where heights grow without bound: in which direction, a rung, and one clearly higher.

        Growth counts if its exponent at the end of the ladder is clear, so that a bound which a
        loss has only through a tiny constant, far down the ladder, is respected.
        """
        first = min(range(len(self.radii)), key=lambda i: abs(math.log10(self.radii[i])))
        ends = (("outwards", self.at_infinity, 1), ("inwards", self.at_centre, -1))
        for towards, exponent, way in ends:
            if exponent is None or way * exponent <= GROWS:
                continue
            for rung in range(first, len(self.radii) if way > 0 else -1, way):
                if self.heights[rung] > CLEARLY * self.heights[first]:
                    return towards, first, rung
        return None


def climb(height: Height, points: Tensor, targets: Tensor) -> Peak:
    """The largest height near the best of some points: a random search of shrinking steps.

    Needs no derivative of the height. Points (N, k) and targets (N,) are where it starts.
    """
    kept, tries, rounds = 8, 24, 18
    values = height(points, targets).nan_to_num(nan=-math.inf, posinf=-math.inf)
    best = values.topk(min(kept, len(values))).indices
    s, y, top = points[best], targets[best], values[best]
    g = design.generator()
    for step in (2.0**-i for i in range(rounds)):
        noise = torch.randn(len(s), tries, s.shape[1], generator=g, dtype=s.dtype)
        near = (s[:, None] + step * noise).flatten(0, 1)
        seen = height(near, y.repeat_interleave(tries))
        seen = seen.nan_to_num(nan=-math.inf, posinf=-math.inf).view(-1, tries)
        found, which = seen.max(1)
        better = found > top
        chosen = near.view(-1, tries, s.shape[1])[torch.arange(len(s)), which]
        s = torch.where(better[:, None], chosen, s)
        top = torch.where(better, found, top)
    winner = int(top.argmax())
    return Peak(top[winner].item(), s[winner], int(y[winner]))


def ladder(
    height: Height, k: int, targets: Tensor, centre: Tensor | None = None,
    radii: tuple[float, ...] = FAR,
) -> Ladder:  # fmt: skip
    """The largest height over 40 rays or more from `centre` (default zero), at each distance.

    Only the distances around 1 with finite heights are kept: further out an exponential overflows,
    further in a square underflows.
    """
    rays = torch.randn(max(4, RAYS - 3 * k), k, generator=design.generator(), dtype=torch.float64)
    eye = torch.eye(k, dtype=torch.float64)
    rays = torch.cat([rays, eye, -eye, eye - eye.roll(1, 0)])
    labels = targets.repeat(len(rays))
    rays = (rays / rays.norm(dim=1, keepdim=True)).repeat_interleave(len(targets), 0)
    origin = torch.zeros(k, dtype=torch.float64) if centre is None else centre
    rungs = torch.tensor(radii, dtype=torch.float64)
    points = origin + rungs[:, None, None] * rays
    heights = height(points.flatten(0, 1), labels.repeat(len(radii))).view(len(radii), -1)
    finite = heights.isfinite().all(1)
    middle = min(range(len(radii)), key=lambda i: abs(math.log10(radii[i])))
    low = middle - int(finite[: middle + 1].flip(0).long().cumprod(0).sum()) + 1
    high = middle + int(finite[middle:].long().cumprod(0).sum())
    low, high = min(low, middle), max(high, middle + 1)
    top, which = heights[low:high].max(1)
    chosen = points[torch.arange(low, high), which]
    return Ladder(radii[low:high], top, chosen, labels[which])


def rounded(number: float | None) -> float | None:
    """A measured exponent with four decimals; None stays None."""
    return None if number is None else round(number, 4)
