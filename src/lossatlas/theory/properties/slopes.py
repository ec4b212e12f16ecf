"""Slopes in the logits: the Lipschitz constant, kinks, and whether autograd is right."""

from typing import Any

import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.checks import check
from lossatlas.theory.exact import Unsupported
from lossatlas.theory.inputs import steepness, unit
from lossatlas.theory.kinks import (
    FINE,
    FINEST,
    STEP,
    breaks,
    jump,
    jump_exactly,
    jump_of_value,
    jump_terms,
    suspects,
)
from lossatlas.theory.risks import plain
from lossatlas.theory.steepest import CONSTANT, largest, unbounded
from lossatlas.theory.subject import Subject
from lossatlas.theory.targets import numbered
from lossatlas.theory.verdict import (
    CLEAR,
    Finding,
    Term,
    evaluate_exactly,
    indicate,
    refute,
    signed,
)

WRONG = 1e-4  # discrepancy of a slope, relative to it plus the typical one, beyond rounding
STEPS = (1e-5, 1e-7)
JUMP = 1e-6  # of the value, in units of its typical size
SLIGHT = 1e-7  # jumps of a slope below this, in units of the typical slope, are rounding


@check(
    "logits",
    "Nesterov, Introductory Lectures on Convex Optimization, 2004, section 3.1",
    reach=1e12,
)
def lipschitz(subject: Subject) -> Finding:
    """Slopes are bounded: |l(a, y) - l(b, y)| <= L |a - b| for some finite L, Euclidean norm.

    Method: L is at least the largest gradient norm, on the design and by climbing from there. Where
    the norm grows by a power of the distance, out to 1e12, in to 1e-100 of zero or to 1e-12 of a
    place of steep change, the evidence is against any L, and so it is where the value itself jumps,
    which is looked for on segments: what is left of the change over 1e-30 at 50 digits.
    """
    what = numbered(subject)
    logits, _ = design.points(subject.k)
    targets = what.cycle(len(logits))

    def height(points: Tensor, targets: Tensor) -> Tensor:
        return what.subject.gradient(points, targets).norm(dim=1)

    far, found = largest(subject, height, logits, targets, height(logits, targets), "slope")
    method = (
        "gradients at random, tied and marginal logits, at distances 1e-100 to 1e12, by climbing"
    )
    facts: dict[str, Any] = {"found": found, "n": len(logits) + far.heights.numel()}

    def ways(logits: Tensor, targets: Tensor) -> Tensor:
        gradients = what.subject.gradient(logits, targets)
        return gradients / gradients.norm(dim=1, keepdim=True)

    finding = _jumps(subject, method, facts) or unbounded(
        subject, height, far, 1, ways, _slope, method, facts
    )
    if finding:
        for name in CONSTANT:
            found.pop(name)
        return finding
    return Finding("not_refuted", method, **facts)


@check("logits", "Rockafellar & Wets, Variational Analysis, 1998, section 8", reach=2e4)
def differentiable_everywhere(subject: Subject) -> Finding:
    """No kinks: [l(s + h v) - 2 l(s) + l(s - h v)] / h -> 0 as h -> 0, at all s, v and y.

    Method: halving random segments towards the largest change of the gradient, and exact ties and
    whole numbers along axes and between classes. A kink is a place where the jump of the slope
    over steps of 1e-5 and 1e-6 is the same, and at 50 digits still over steps of 1e-12.
    """
    what = numbered(subject)
    s, v, y, fine = suspects(subject)
    coarse = jump(what.subject, s, v, y, 10 * STEP)
    slight = SLIGHT * steepness(subject)
    ratio = torch.where(fine > slight, fine / coarse, 0.0).nan_to_num(nan=0.0)
    method = "second differences where the gradient changes most on segments, and at exact ties"
    facts: dict[str, Any] = {"n": len(s), "tolerance": 0.5}
    for i in (ratio > 0.5).nonzero().flatten().tolist():
        target = what.target(int(y[i]))
        try:
            finest, finer = (jump_exactly(subject, s[i], v[i], target, h) for h in (FINEST, FINE))
        except Unsupported as error:
            return Finding("inconclusive", method, reason=str(error), **facts)
        if finest <= max(0.5 * finer, slight):
            ratio[i] = finest / max(finer, slight)
            continue

        def terms(s: Tensor, v: Tensor, target: Any = target) -> list[Term]:
            fine = signed(subject, jump_terms(s, v, target, STEP, 1.0))
            coarse = signed(subject, jump_terms(s, v, target, 10 * STEP, 0.5))
            return [*fine, *(term._replace(weight=-term.weight) for term in coarse)]

        says = (
            f"the slope along a line jumps by {fine[i]:.3g}: by over half as much within steps of "
            f"{STEP:g} as of {10 * STEP:g}, and still within {FINEST:g}"
        )
        found = {"jump": plain(fine[i].item()), "at": plain(s[i] + 0.0), "target": target}
        finding = indicate(
            subject, says, terms, s[i], v[i], method=method, found=found,
            worst=ratio[i].item(), **facts,
        )  # fmt: skip
        if finding.verdict == "evidence_against":
            return finding
    return Finding("not_refuted", method, worst=ratio.max().item(), **facts)


@check("logits", "Griewank & Walther, Evaluating Derivatives, 2008, chapter 3", reach=100)
def gradient_correct(subject: Subject) -> Finding:
    """Autograd gives the derivative: <grad l(s, y), v> = lim [l(s + h v) - l(s - h v)] / 2h.

    A detached part or a wrong backward pass breaks it. Method: central differences over steps of
    1e-5 and 1e-7 in random directions; where they agree with each other, and one-sided ones show
    no kink, autograd has to agree too, or else with differences over 1e-17 at 50 digits. In the
    witness the gradient is that of the code in float32, since at 50 digits there is no autograd.
    """
    what = numbered(subject)
    logits, _ = design.points(subject.k)
    logits = logits[::7]
    y = what.cycle(len(logits))
    v = torch.randn(logits.shape, generator=design.generator(), dtype=torch.float64)
    v /= v.norm(dim=1, keepdim=True)
    slope = (what.subject.gradient(logits, y) * v).sum(1)
    (coarse, _), (fine, bend) = (_quotients(what.subject, logits, v, y, h) for h in STEPS)
    typical = steepness(subject)
    discrepancy = (slope - fine).abs().nan_to_num(nan=torch.inf)
    usable = fine.isfinite() & (
        (coarse - fine).abs() + bend
        < 0.1 * torch.maximum(discrepancy, WRONG * (typical + fine.abs()))
    )
    relative = torch.where(usable, discrepancy / (typical + fine.abs()), 0.0)
    method = "autograd against central differences away from kinks, in random directions"
    facts: dict[str, Any] = {"tolerance": WRONG, "n": int(usable.sum())}
    if not usable.any():
        return Finding("inconclusive", method, reason="no point has usable differences", **facts)
    h = STEPS[1]
    for i in relative.argsort(descending=True)[:32].tolist():
        if relative[i] <= WRONG:
            break
        target = what.target(int(y[i]))
        derivative = Term(1.0, logits[i].tolist(), target, along=v[i].tolist())
        try:
            exact = float(evaluate_exactly(subject, [derivative]))
        except Unsupported as error:
            return Finding("inconclusive", method, reason=str(error), **facts)
        if abs(exact - slope[i].item()) <= WRONG * (typical + abs(exact)):
            relative[i] = 0.0
            continue

        def terms(s: Tensor, v: Tensor, target: Any = target) -> list[Term]:
            three = [
                Term(0.5 / h, (s + h * v).tolist(), target),
                Term(-0.5 / h, (s - h * v).tolist(), target),
                Term(-1.0, s.tolist(), target, "float32", v.tolist()),
            ]
            return signed(subject, three)

        says = "the slope of the values is not the one that autograd gives"
        worst = relative[i].item()
        # Autograd without a number needs no limit to be wrong.
        conclude = indicate if slope[i].isfinite() else refute
        return conclude(subject, says, terms, logits[i], v[i], method=method, worst=worst, **facts)
    worst = relative.max().item()
    if worst > WRONG:
        reason = "differences over 1e-7 and over 1e-17 disagree at more points than were settled"
        return Finding("inconclusive", method, reason=reason, worst=worst, **facts)
    return Finding("not_refuted", method, worst=worst, **facts)


def _jumps(subject: Subject, method: str, facts: dict[str, Any]) -> Finding | None:
    """Evidence against, if the value jumps somewhere; inconclusive if that cannot be told."""
    what = numbered(subject)
    for left, right, v, number in zip(*breaks(subject), strict=True):
        y = number[None]
        with torch.no_grad():
            low, high = (what.subject.values(s[None], y).item() for s in (left, right))
        size = abs(high - low)
        least = JUMP * unit(subject) + CLEAR * 2.0**-52 * (abs(low) + abs(high))
        if not size > least + CLEAR * steepness(subject) * (right - left).norm().item():
            break
        target = what.target(int(number))
        try:
            place, still = jump_of_value(subject, left, right, v, target, size)
        except Unsupported as error:
            reason = f"the value seems to jump by {size:.3g}, but {error}"
            return Finding("inconclusive", method, reason=reason, **facts)
        if still < 0.5 * size:
            continue

        def terms(s: Tensor, v: Tensor, target: Any = target) -> list[Term]:
            def change(h: float) -> list[Term]:
                ends = [Term(w / h, (s + w * h * v).tolist(), target) for w in (0.5, -0.5)]
                return signed(subject, ends)

            coarse = [term._replace(weight=-5 * term.weight) for term in change(1e-6)]
            return [*change(1e-8), *coarse]

        says = (
            f"the value jumps by {size:.3g} at {plain(place + 0.0)}: the mean slope over "
            f"a step of 1e-8 is over 5 times that over 1e-6, and the jump stays within 1e-30"
        )
        finding = indicate(subject, says, terms, place, v, method=method, **facts)
        if finding.verdict == "evidence_against":
            return finding
    return None


def _quotients(
    subject: Subject, s: Tensor, v: Tensor, targets: Tensor, h: float
) -> tuple[Tensor, Tensor]:
    """Central difference quotients (N,), and how far the two one-sided ones are apart (N,)."""
    with torch.no_grad():
        ahead, here, behind = (subject.values(s + t * v, targets) for t in (h, 0.0, -h))
    return (ahead - behind) / (2 * h), ((ahead - here) - (here - behind)).abs() / h


def _slope(s: Tensor, way: Tensor, target: Any, distance: float, weight: float) -> list[Term]:
    return [Term(weight, s.tolist(), target, along=way.tolist())]
