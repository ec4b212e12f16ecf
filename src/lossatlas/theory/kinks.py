"""Where the slope of a loss jumps, or changes faster than in proportion to the distance.

Kinks of codimension one are crossed by almost every long segment: halving the part of it over
which the gradient changes most closes in on them. Kinks at single points, such as the tip of a
cone, are looked for at ties and whole numbers. Only values decide in the end, by second
differences over steps down to 1e-12 at 50 digits, so that a rounded corner is not taken for a kink.
Jumps of the value itself are closed in on in the same way, at last at 50 digits.
"""

from collections.abc import Callable
from itertools import combinations
from typing import Any, Literal, NamedTuple

import mpmath
import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.exact import DIGITS, Unsupported
from lossatlas.theory.growth import Ladder
from lossatlas.theory.subject import Subject, slope_of
from lossatlas.theory.targets import Numbered, numbered
from lossatlas.theory.verdict import Term

SEGMENTS = 360
PARTS = 16
HALVINGS = 52
STEP = 1e-6
FINE, FINEST = 1e-11, 1e-12
# How far, beside the largest coordinate, rounding may move a jump. Not as far as the step of 1e-8
# over which a witness shows it.
ASIDE = (0.0, 1e-15, 1e-13, 1e-11, 1e-9)


class Places(NamedTuple):
    """Points (N, k), unit directions (N, k), targets (N,) and jumps of the slope (N,) there."""

    points: Tensor
    along: Tensor
    targets: Tensor
    jumps: Tensor

    def best(self, n: int) -> "Places":
        """The n places of the largest jumps, largest first."""
        top = self.jumps.topk(min(n, len(self.jumps))).indices
        return Places(*(column[top] for column in self))


def jump(plain: Subject, s: Tensor, v: Tensor, targets: Tensor, h: float) -> Tensor:
    """|l(s + h v) - 2 l(s) + l(s - h v)| / h, (N,): the change of the slope over a step h."""
    with torch.no_grad():
        ahead, here, behind = (plain.values(s + t * v, targets) for t in (h, 0.0, -h))
    return ((ahead - here) - (here - behind)).abs() / h


def jump_exactly(subject: Subject, s: Tensor, v: Tensor, target: Any, h: float) -> float:
    """`jump` at one point s (k,) at 50 digits, where h may be as small as 1e-12.

    Raises:
        exact.Unsupported: the code uses a function that has no 50-digit form.
    """
    with mpmath.workdps(DIGITS):
        value, step = _on_line(subject, s, v, target), mpmath.mpf(h)
        return float(abs(value(step) - 2 * value(0) + value(-step)) / step)


def jump_terms(s: Tensor, v: Tensor, target: Any, h: float, weight: float) -> list[Term]:
    """`weight` times [l(s + h v) - 2 l(s) + l(s - h v)] / h."""
    return [
        Term(weight * w / h, (s + t * v).tolist(), target)
        for w, t in ((1.0, h), (-2.0, 0.0), (1.0, -h))
    ]


def suspects(subject: Subject) -> Places:
    """The 64 places of the largest changes of the slope over a step of 1e-6, largest first."""

    def compute() -> Places:
        what = numbered(subject)
        _, right, v, labels = _crossed(what)
        _, after, w, to = breaks(subject)
        crossed = (right, v, labels), (after, w, to)
        s, v, y = (torch.cat(p) for p in zip(*crossed, _special(what), strict=True))
        jumps = jump(what.subject, s, v, y, STEP).nan_to_num(nan=0.0, posinf=0.0)
        return Places(s, v, y, jumps).best(64)

    return subject.memo("suspects", compute)


def breaks(subject: Subject) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where the value changes most beyond its slope: neighbouring floats that may be a jump apart.

    Ends left and right (M, k), unit directions (M, k) and targets (M,), largest jumps first.
    """

    def compute() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        what = numbered(subject)
        left, right, v, y = _crossed(what, by_value=True)
        with torch.no_grad():
            size = (what.subject.values(right, y) - what.subject.values(left, y)).abs()
        top = size.nan_to_num(nan=0.0, posinf=0.0).topk(16).indices
        return left[top], right[top], v[top], y[top]

    return subject.memo("breaks", compute)


def jump_of_value(
    subject: Subject, left: Tensor, right: Tensor, v: Tensor, target: Any, size: float
) -> tuple[Tensor, float]:
    """What 100 halvings leave of a change of the value by `size` from left (k,) to right (k,).

    At 50 digits. There the jump may lie off a segment between neighbouring floats, since rounding
    has moved it: the segment is lengthened at both ends, along the unit direction v (k,), until the
    value changes by half of `size` over it. The halving ends below 1e-30, however long the segment
    was, so that what is left no slope below 1e20 explains.

    Returns:
        The place (k,), and the change there.

    Raises:
        exact.Unsupported: the code uses a function that has no 50-digit form.
    """
    y = _as_target(target, left.dtype)
    with mpmath.workdps(DIGITS):
        far = 1 + left.abs().max().item()
        for aside in ASIDE:
            a, b = (
                [
                    mpmath.mpf(x) + way * aside * far * d
                    for x, d in zip(end.tolist(), v.tolist(), strict=True)
                ]
                for way, end in ((-1, left), (1, right))
            )
            low, high = subject.at_50_digits(a, y), subject.at_50_digits(b, y)
            if abs(high - low) >= size / 2:
                break
        for _ in range(100):
            middle = [(x + z) / 2 for x, z in zip(a, b, strict=True)]
            value = subject.at_50_digits(middle, y)
            if abs(value - low) >= abs(high - value):
                b, high = middle, value
            else:
                a, low = middle, value
        return torch.tensor([float(x) for x in b], dtype=left.dtype), float(abs(high - low))


def persists(
    subject: Subject, centre: Tensor, near: Ladder, what: Numbered, order: Literal[1, 2]
) -> bool:
    """Whether the slope (1) or curvature (2) is still larger at 1e-18 from `centre` than at 1e-12.

    By differences at 50 digits along the ray of the innermost rung; true where these cannot be had,
    since then no verdict will hang on it.
    """
    away = near.points[0] - centre
    away = away / away.norm().clamp(min=1e-300)
    target = what.target(int(near.targets[0]))
    try:
        with mpmath.workdps(DIGITS):
            value = _on_line(subject, centre, away, target)
            inner, outer = (_difference(value, mpmath.mpf(10) ** -e, order) for e in (18, 12))
            return bool(inner > 2 * outer)
    except Unsupported:
        return True


def _difference(value: Callable[[Any], Any], r: Any, order: int) -> Any:
    """The difference quotient of the first or second order at distance r."""
    h = r / 100
    if order == 1:
        return abs(value(r + h) - value(r - h)) / (2 * h)
    return abs(value(r + h) - 2 * value(r) + value(r - h)) / h**2


def _on_line(subject: Subject, s: Tensor, v: Tensor, target: Any) -> Callable[[Any], Any]:
    """The loss at 50 digits as a function of t, at scores s + t v (k,)."""
    y = _as_target(target, s.dtype)
    pairs = [(mpmath.mpf(x), mpmath.mpf(d)) for x, d in zip(s.tolist(), v.tolist(), strict=True)]
    return lambda t: subject.at_50_digits([x + t * d for x, d in pairs], y)


def _as_target(target: Any, dtype: torch.dtype) -> Any:
    """A target as a `Term` holds it, as `at_50_digits` takes it."""
    if isinstance(target, int):
        return target
    return torch.tensor([target], dtype=torch.bool if target[0] in (True, False) else dtype)


def _crossed(what: Numbered, by_value: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random segments closed in on where the gradient changes most at the finest resolution, or

    the value changes most beyond what the gradients at both ends explain: left and right ends
    (M, k), unit directions (M, k), targets (M,).
    """
    k, g = what.subject.k, design.generator()
    scale = torch.tensor([0.3, 2.0, 20.0], dtype=torch.float64).repeat(SEGMENTS // 3)[:, None]
    a, b = (scale * torch.randn(SEGMENTS, k, generator=g, dtype=torch.float64) for _ in range(2))
    if by_value:
        a, b = torch.cat([a, 300 * a]), torch.cat([b, 300 * b])
    n = len(a)
    y = what.cycle(n)
    t = torch.linspace(0, 1, PARTS + 1, dtype=torch.float64)[:, None, None]
    grid = a + t * (b - a)

    def look(s: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        leaf = s.detach().requires_grad_()
        values = what.subject.values(leaf, labels)
        return values.detach(), slope_of(values.sum(), leaf)

    def changes(
        s: Tensor, at_s: tuple[Tensor, Tensor], t: Tensor, at_t: tuple[Tensor, Tensor]
    ) -> Tensor:
        if not by_value:
            return (at_t[1] - at_s[1]).norm(dim=-1).nan_to_num(nan=0.0)
        explained = ((at_s[1] + at_t[1]) / 2 * (t - s)).sum(-1)
        return (at_t[0] - at_s[0] - explained).abs().nan_to_num(nan=0.0)

    values, slopes = look(grid.flatten(0, 1), y.repeat(PARTS + 1))
    values, slopes = values.view(PARTS + 1, n), slopes.view(grid.shape)
    found = changes(grid[:-1], (values[:-1], slopes[:-1]), grid[1:], (values[1:], slopes[1:]))
    parts = found.topk(3, dim=0).indices
    rows = torch.arange(n).expand_as(parts)
    left, right = grid[parts, rows].flatten(0, 1), grid[parts + 1, rows].flatten(0, 1)
    at_left = values[parts, rows].flatten(), slopes[parts, rows].flatten(0, 1)
    at_right = values[parts + 1, rows].flatten(), slopes[parts + 1, rows].flatten(0, 1)
    labels = y[rows].flatten()
    along = (b - a)[rows].flatten(0, 1)
    for _ in range(HALVINGS):
        middle = (left + right) / 2
        here = look(middle, labels)
        first = changes(left, at_left, middle, here) >= changes(middle, here, right, at_right)
        column = first[:, None]
        left, right = torch.where(column, left, middle), torch.where(column, middle, right)
        at_left, at_right = (
            (torch.where(first, at_left[0], here[0]), torch.where(column, at_left[1], here[1])),
            (torch.where(first, here[0], at_right[0]), torch.where(column, here[1], at_right[1])),
        )
    return left, right, along / along.norm(dim=1, keepdim=True), labels


def _special(what: Numbered) -> tuple[Tensor, Tensor, Tensor]:
    """Zero, points of whole numbers and of ties; along the axes and between two classes."""
    k = what.subject.k
    whole = torch.randint(-2, 3, (24, k), generator=design.generator()).double()
    tied = design.ties(k, each=1)[::4][:16].round(decimals=2)
    points = torch.cat([torch.zeros(1, k, dtype=torch.float64), whole, tied])
    eye = torch.eye(k, dtype=torch.float64)
    ways = torch.stack([*eye, *((eye[i] - eye[j]) / 2**0.5 for i, j in combinations(range(k), 2))])
    s = points.repeat_interleave(len(ways) * what.n, 0)
    v = ways.repeat_interleave(what.n, 0).repeat(len(points), 1)
    return s, v, what.cycle(len(s))
