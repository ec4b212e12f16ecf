"""Is what training follows the gradient of any function at all?"""

import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.checks import check
from lossatlas.theory.inputs import steepness
from lossatlas.theory.subject import Subject
from lossatlas.theory.targets import Numbered, numbered
from lossatlas.theory.verdict import Finding, Term, indicate, signed

STEP = 1e-3
TOLERANCE = 1e-3  # of the Jacobian's typical size; differences over STEP err by about its square
POINTS = 400
NEAR = 0.03  # neighbours at which the same has to be seen: at a kink it is not


@check("logits", "Poincaré's lemma; Spivak, Calculus on Manifolds, 1965, theorem 4-11", reach=30)
def integrable(subject: Subject) -> Finding:
    """The gradient that training follows is that of a function: its Jacobian is symmetric.

    Code that holds a factor fixed follows a field of its own, not the slope of its value
    (`gradient_correct` says so); the field may still belong to another function, whose minima are
    then what training looks for, or to none. Method: antisymmetric part of the Jacobian of
    autograd's gradient, by central differences over 1e-3; it has to stay when the step is halved,
    and at three neighbours, as it would not at a kink.
    """
    what = numbered(subject)
    logits, _ = design.points(subject.k)
    logits = logits[:: len(logits) // POINTS]
    y, g = what.cycle(len(logits)), design.generator()
    aside = [NEAR * torch.randn(logits.shape, generator=g, dtype=logits.dtype) for _ in range(4)]
    logits = logits + aside[0]
    here = _antisymmetric(what, logits, y, STEP / 2)
    others = [_antisymmetric(what, logits + step, y, STEP) for step in [0 * aside[0], *aside[1:]]]
    same = torch.stack([(other - here).abs() <= 0.5 * here.abs() for other in others]).all(0)
    size = torch.where(same, here.abs(), 0.0)
    at, pair = divmod(int(size.argmax()), size.shape[1])
    worst = size.max().item() / steepness(subject)
    method = f"antisymmetric part of the gradient's Jacobian, by differences over {STEP:g}"
    if worst <= TOLERANCE:
        return Finding("not_refuted", method, worst=worst, tolerance=TOLERANCE, n=len(logits))
    i, j = torch.combinations(torch.arange(subject.k))[pair].tolist()
    target = what.target(int(y[at]))

    def terms(s: Tensor) -> list[Term]:
        around = [*_stencil(s, i, j, target, 1.0), *_stencil(s, j, i, target, -1.0)]
        return signed(subject, around)

    says = f"the slope along score {i} changes with score {j} otherwise than the other way round"
    return indicate(
        subject, says, terms, logits[at], method=method, worst=worst, tolerance=TOLERANCE,
        n=len(logits),
    )  # fmt: skip


def _antisymmetric(what: Numbered, logits: Tensor, y: Tensor, h: float) -> Tensor:
    """J_ij - J_ji (N, K (K - 1) / 2) of the gradients at logits (N, K), for i < j."""
    n, k = logits.shape
    moved = torch.cat([logits + h * e for e in (*torch.eye(k), *-torch.eye(k))])
    slopes = what.subject.gradient(moved, y.repeat(2 * k)).view(2, k, n, k)
    jacobian = ((slopes[0] - slopes[1]) / (2 * h)).permute(1, 2, 0)
    i, j = torch.combinations(torch.arange(k)).T
    return jacobian[:, i, j] - jacobian[:, j, i]


def _stencil(s: Tensor, along: int, by: int, target: object, sign: float) -> list[Term]:
    """The change of the slope along one score with another one, as autograd has it."""
    unit = torch.eye(len(s), dtype=s.dtype)
    return [
        Term(w / (2 * STEP), (s + w * sign * STEP * unit[by]).tolist(), target,
             along=unit[along].tolist(), trained=True)
        for w in (sign, -sign)
    ]  # fmt: skip
