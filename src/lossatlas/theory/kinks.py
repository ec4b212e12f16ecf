"""Where the slope of a loss jumps, or changes faster than in proportion to the distance.

Kinks of codimension one are crossed by almost every long segment: halving the part of it over
which the gradient changes most closes in on them. Kinks at single points, such as the tip of a
cone, are looked for at ties and whole numbers. Only values decide in the end, by second
differences over steps down to 1e-12 at 50 digits, so that a rounded corner is not taken for a kink.
"""

from itertools import combinations
from typing import Any, NamedTuple

import mpmath
import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.exact import DIGITS
from lossatlas.theory.subject import Subject
from lossatlas.theory.targets import Numbered, numbered
from lossatlas.theory.verdict import Term

SEGMENTS = 360
PARTS = 16
HALVINGS = 52
STEP = 1e-6
FINE, FINEST = 1e-11, 1e-12


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
    y = target
    if not isinstance(target, int):
        y = torch.tensor([target], dtype=torch.bool if target[0] in (True, False) else s.dtype)
    with mpmath.workdps(DIGITS):
        step = mpmath.mpf(h)
        pairs = list(zip(s.tolist(), v.tolist(), strict=True))
        ahead, here, behind = (
            subject.at_50_digits([mpmath.mpf(x) + t * mpmath.mpf(d) for x, d in pairs], y)
            for t in (step, 0, -step)
        )
        return float(abs(ahead - 2 * here + behind) / step)


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
        s, v, y = (torch.cat(p) for p in zip(_crossed(what), _special(what), strict=True))
        jumps = jump(what.subject, s, v, y, STEP).nan_to_num(nan=0.0, posinf=0.0)
        return Places(s, v, y, jumps).best(64)

    return subject.memo("suspects", compute)


def _crossed(what: Numbered) -> tuple[Tensor, Tensor, Tensor]:
    """On random segments, where the gradient changes most at the finest resolution."""
    k, g = what.subject.k, design.generator()
    scale = torch.tensor([0.3, 2.0, 20.0], dtype=torch.float64).repeat(SEGMENTS // 3)[:, None]
    a, b = (scale * torch.randn(SEGMENTS, k, generator=g, dtype=torch.float64) for _ in range(2))
    y = what.cycle(SEGMENTS)
    t = torch.linspace(0, 1, PARTS + 1, dtype=torch.float64)[:, None, None]
    grid = a + t * (b - a)
    slopes = what.subject.gradient(grid.flatten(0, 1), y.repeat(PARTS + 1)).view(grid.shape)
    changes = (slopes[1:] - slopes[:-1]).norm(dim=2).nan_to_num(nan=0.0)
    parts = changes.topk(3, dim=0).indices
    rows = torch.arange(SEGMENTS).expand_as(parts)
    left, right = grid[parts, rows].flatten(0, 1), grid[parts + 1, rows].flatten(0, 1)
    at_left, at_right = slopes[parts, rows].flatten(0, 1), slopes[parts + 1, rows].flatten(0, 1)
    labels = y[rows].flatten()
    along = (b - a)[rows].flatten(0, 1)
    for _ in range(HALVINGS):
        middle = (left + right) / 2
        here = what.subject.gradient(middle, labels)
        first = ((here - at_left).norm(dim=1) >= (at_right - here).norm(dim=1))[:, None]
        left, at_left = torch.where(first, left, middle), torch.where(first, at_left, here)
        right, at_right = torch.where(first, middle, right), torch.where(first, here, at_right)
    return right, along / along.norm(dim=1, keepdim=True), labels


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
