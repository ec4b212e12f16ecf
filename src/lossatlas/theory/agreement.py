"""Where code is compared with the formula that a proof speaks of: many classes, small to huge.

A proof is about a formula. That the code is that formula is looked at here for 2 to 10 classes and
at scores from 1e-6 to 1e6, random ones and structured ones, since code departs from its formula at
clamps and special cases.
"""

from functools import cache

import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.inputs import steepness
from lossatlas.theory.minimise import scale
from lossatlas.theory.subject import Subject

CLASSES = (2, 3, 4, 7, 10)
LARGEST = 1e6
TOLERANCE = 1e-9  # of the difference, in units of the values or of the loss's scale
ULPS = 64  # of the largest score: what they change in the value is rounding
SIZES = (
    1e-6, 1e-3, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 16.0, 20.0, 30.0, 50.0, 80.0, 100.0, 200.0, 400.0,
    600.0, 700.0, 750.0, 1e3, 2e3, 5e3, 1e4, 3e4, 1e5, 3e5, LARGEST,
)  # fmt: skip
LOOKED = f"at K = {', '.join(map(str, CLASSES))} and scores up to {LARGEST:.0e}".replace("+0", "")

SCOPE = f"K={','.join(map(str, CLASSES))} to {LARGEST:.0e}".replace("+0", "")


@cache
def points(k: int) -> Tensor:
    """About 30 (3 k + 10) logits (N, k) float64: directions of all sizes, ties, and offsets."""
    g = design.generator()
    eye = torch.eye(k, dtype=torch.float64)
    pair = eye + eye.roll(1, 0)
    made = torch.cat([eye, -eye, eye - eye.roll(1, 0), pair, -pair])
    ramp = torch.linspace(-1, 1, k, dtype=torch.float64)
    rows = [torch.zeros(1, k, dtype=torch.float64), design.ties(k, each=1)]
    for size in SIZES:
        random = torch.randn(6, k, generator=g, dtype=torch.float64)
        same = torch.stack([ramp.abs().sign().clamp(min=1), -torch.ones_like(ramp), ramp, -ramp])
        away = torch.cat([made, random / random.abs().amax(1, keepdim=True), same])
        rows.append(size * away)
        if size >= 100:
            rows.append(size + torch.randn(2, k, generator=g, dtype=torch.float64))
    return torch.cat(rows)


def few(k: int) -> Tensor:
    """100 of the points, of all sizes, for what is slow to evaluate."""
    every = points(k)
    order = torch.randperm(len(every), generator=design.generator(k))
    return every[order[:100]]


def apart(subject: Subject, logits: Tensor, code: Tensor, formula: Tensor) -> Tensor:
    """How far values (N, ...) of code and formula are apart at logits (N, k), beyond rounding.

    In units of the value, or of the loss's scale if that is larger. Infinite where one is finite
    and the other is not; zero where neither is.
    """
    size = logits.abs().amax(1).view(-1, *[1] * (code.ndim - 1))
    forgiven = ULPS * 2.0**-52 * size * steepness(subject)
    difference = ((code - formula).abs() - forgiven).clamp(min=0)
    relative = difference / code.abs().clamp(min=scale(subject))
    lost = ~code.isfinite() & ~formula.isfinite()
    return torch.where(lost, 0.0, relative.nan_to_num(nan=torch.inf))
