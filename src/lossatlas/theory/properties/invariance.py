"""Invariances: shifts and scalings of the inputs, and a permutation of the classes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lossatlas.theory import design, inputs
from lossatlas.theory.checks import check
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding, Term, refute, signed

TOLERANCE = 1e-9  # relative to the loss's typical size plus the values'
EPSILON = 1e-4  # what the epsilon beside a norm may change, likewise
SHIFTS = (-10.0, -1.0, 1.0, 100.0)
SCALINGS = (0.1, 0.5, 2.0, 10.0, 100.0)
PERMUTATIONS = 6


@check("logits", "course notes; Zhang, JMLR 2004 (equivalent sets of scores)", reach=200)
def shift_invariant(subject: Subject) -> Finding:
    """Adding a constant to all scores changes nothing: l(s + c 1, y) = l(s, y).

    Equivalently the gradient sums to zero, which also holds, or fails, for what is too small to
    move the value. Method: largest relative change of the value under shifts of -10, -1, 1 and 100,
    and largest sum of the gradient relative to its largest entry.
    """
    logits, target = inputs.sample(subject, 2000)
    at, by, worst = _worst(subject, logits, target, lambda c: logits + c, SHIFTS)
    slope = inputs.gradient(subject, logits, target)
    unit = inputs.flat(slope).median().item() or 1.0
    drift = slope.sum(1).abs() / (unit + inputs.flat(slope))
    facts: dict[str, Any] = {
        "worst": max(worst, drift.max().item()),
        "tolerance": TOLERANCE,
        "n": (len(SHIFTS) + 1) * len(logits),
    }
    method = "shifts by -10, -1, 1 and 100, and the gradient's sum, at random and tied logits"
    if worst > TOLERANCE:
        y = inputs.pick(subject, target, at)

        def moved(s: Tensor) -> list[Term]:
            pair = [Term(1.0, (s + by).tolist(), y), Term(-1.0, s.tolist(), y)]
            return signed(subject, pair)

        says = f"adding {by:g} to all scores changes the loss"
        return refute(subject, says, moved, logits[at], method=method, **facts)
    if facts["worst"] > TOLERANCE:
        y = inputs.pick(subject, target, int(drift.argmax()))

        def tilted(s: Tensor) -> list[Term]:
            return signed(subject, [Term(1.0, s.tolist(), y, along=[1.0] * subject.k)])

        says = "the loss changes as all scores rise together"
        return refute(subject, says, tilted, logits[drift.argmax()], method=method, **facts)
    return Finding("not_refuted", method, **facts)


@check(
    "both",
    "Wei et al., ICML 2022 (LogitNorm); Chen et al., ICML 2020 (cosine similarity)",
    reach=1e3,
)
def scale_invariant(subject: Subject) -> Finding:
    """Stretching all inputs alike changes nothing: l(c s, y) = l(s, y) for c > 0.

    Up to a relative 1e-4 and for inputs of norm 1/2 or more: code that divides by a norm adds an
    epsilon to it, which is no property of the loss. `worst` says how exact the invariance is.
    Method: largest relative change for c = 0.1, 0.5, 2, 10 and 100; norms stay above 1/2.
    """
    points, target = inputs.sample(subject, 600)
    norm = points.flatten(1).norm(dim=1)
    points = points[norm > 0]
    target = inputs.rows(subject, target, norm > 0)
    norm = norm[norm > 0].view(-1, *[1] * (points.ndim - 1))
    points = points * (5 / norm).clamp(min=1)  # c = 0.1 then leaves a norm of 1/2
    at, by, worst = _worst(subject, points, target, lambda c: c * points, SCALINGS)
    facts: dict[str, Any] = {"worst": worst, "tolerance": EPSILON, "n": len(SCALINGS) * len(points)}
    method = "scaling by 0.1, 0.5, 2, 10 and 100 at inputs of many norms"
    if worst <= EPSILON:
        return Finding("not_refuted", method, **facts)
    y = inputs.pick(subject, target, at)

    def terms(s: Tensor) -> list[Term]:
        return signed(subject, [Term(1.0, (by * s).tolist(), y), Term(-1.0, s.tolist(), y)])

    says = f"inputs {by:g} times as large change the loss"
    return refute(subject, says, terms, points[at], method=method, **facts)


@check("logits", "Zhang, JMLR 2004", reach=80)
def permutation_equivariant(subject: Subject) -> Finding:
    """Classes have no names: l(P s, P y) = l(s, y) for a permutation P of scores and target alike.

    A loss that is told the class counts is given the permuted ones as well. Method: largest
    relative change under 6 random permutations; with equal counts too, where there are counts.
    """
    g = design.generator()
    logits, target = inputs.sample(subject, 600)
    assert target is not None
    tried = [subject] if subject.class_counts is None else [subject, _balanced(subject)]
    worst, where = 0.0, None
    for one in tried:
        here = one.function(logits, target)
        for _ in range(PERMUTATIONS):
            order = torch.randperm(subject.k, generator=g)
            there = _permuted(one, order).function(logits[:, order], _carried(target, order))
            change = _relative(one, there, here)
            if change.max() > worst:
                worst, where = change.max().item(), (one, order, int(change.argmax()))
    facts: dict[str, Any] = {
        "worst": worst,
        "tolerance": TOLERANCE,
        "n": len(tried) * PERMUTATIONS * len(logits),
    }
    method = "random permutations of the classes at random, tied and marginal logits"
    if worst <= TOLERANCE or where is None:
        return Finding("not_refuted", method, **facts)
    one, order, at = where
    if one.class_counts is not None and len(set(one.class_counts)) > 1:
        reason = f"permuting the class counts along changes the loss by a relative {worst:.3g}"
        return Finding("inconclusive", method, reason=reason, **facts)
    y = inputs.pick(one, target, at)
    y_there = inputs.pick(one, _carried(target, order), at)

    def terms(s: Tensor) -> list[Term]:
        return signed(one, [Term(1.0, s[order].tolist(), y_there), Term(-1.0, s.tolist(), y)])

    says = f"taking the classes in the order {order.tolist()} changes the loss"
    return refute(one, says, terms, logits[at], method=method, **facts)


def _worst(
    subject: Subject,
    points: Tensor,
    target: Tensor | None,
    move: Callable[[float], Tensor],
    by: tuple[float, ...],
) -> tuple[int, float, float]:
    """Index of the point that moving changes most, the number moved by, the relative change."""
    here = inputs.evaluate(subject, points, target)
    change = torch.stack(
        [_relative(subject, inputs.evaluate(subject, move(c), target), here) for c in by]
    )
    most = int(change.argmax())
    return most % len(points), by[most // len(points)], change.max().item()


def _relative(subject: Subject, there: Tensor, here: Tensor) -> Tensor:
    """Relative change; zero where the loss overflows, which the precision checks are about."""
    size = inputs.unit(subject) + torch.maximum(there.abs(), here.abs())
    return ((there - here).abs() / size).nan_to_num(nan=0.0)


def _balanced(subject: Subject) -> Subject:
    return subject.at(subject.k, (100.0,) * subject.k)


def _permuted(subject: Subject, order: Tensor) -> Subject:
    if subject.class_counts is None:
        return subject
    return subject.at(subject.k, tuple(subject.class_counts[i] for i in order.tolist()))


def _carried(target: Tensor, order: Tensor) -> Tensor:
    """The target after scores (N, k) have become scores[:, order]."""
    return order.argsort()[target] if target.ndim == 1 else target[:, order]
