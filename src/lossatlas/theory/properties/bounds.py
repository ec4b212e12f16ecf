"""Bounds: does the loss stay finite, how low does it go, and where?"""

from typing import Any

import torch
from torch import Tensor

from lossatlas.theory import inputs
from lossatlas.theory.checks import check
from lossatlas.theory.exact import Unsupported
from lossatlas.theory.risks import plain
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding, Term, evaluate_exactly, indicate, refute

SCALES = tuple(10.0**power for power in range(10))
FAR = tuple(10.0**power for power in range(101))
SETTLING = 0.95  # change over a decade of what was the change over the one before
SETTLED = 1e-6  # growth over a decade, relative to the loss's size, that counts as none
NEGATIVE = 1e-9  # relative to the loss's typical size
STARTS, STEPS = 32, 100


@check(
    "both",
    "Ghosh et al., AAAI 2017; Zhang & Sabuncu, NeurIPS 2018 (why bounded losses matter)",
    reach=1e100,
)
def bounded(subject: Subject) -> Finding:
    """The loss stays between two numbers: |l(s, y)| <= B for all s and y.

    Method: values along rays from the origin at scales 1, 10, ..., 1e9. A bounded loss settles, so
    that it changes less over the last decade than over the one before, by 5 % at least; an
    unbounded one, even if it grows like a logarithm, does not. What has not settled is followed out
    to 1e100, where it has to change as much from 1e50 as it did up to there, and on to the end,
    before the evidence is against it. A value that is infinite at 50 digits, too, refutes it. The
    scales are those before an overflow, if there is one. Not seen are a bound that is reached
    beyond 1e100, and growth that is slower than a logarithm's.
    """
    away, target = inputs.rays(subject)
    values = torch.stack([inputs.evaluate(subject, c * away, target) for c in SCALES])
    if (infinite := _infinite(subject, away, target, values)) is not None:
        return infinite
    last = _last_finite(values)
    usable = last >= 2
    if not usable.any():
        reason = "no ray has three finite values at scales 1, 10, 100"
        return Finding("inconclusive", "values along rays", reason=reason)
    away, values, last = away[usable], values[:, usable], last[usable]
    target = inputs.rows(subject, target, usable)
    a, b, c = (values.gather(0, (last - back)[None])[0] for back in (2, 1, 0))
    growth = (c - b).abs() - SETTLING * (b - a).abs()
    relative = growth / (inputs.unit(subject) + c.abs())
    relative = torch.where(_goes_on(subject, away, target), relative, 0.0)
    at = int(relative.argmax())
    finite = values.where(values.isfinite(), torch.zeros_like(values))
    found: dict[str, Any] = {
        "scales": list(SCALES),
        "largest": plain(inputs.nan_is_infinite(values).amax(1)),
        "least": plain(values.where(~values.isnan(), -torch.inf).amin(1)),
    }
    facts: dict[str, Any] = {
        "worst": relative.max().item(),
        "tolerance": SETTLED,
        "n": values.numel(),
    }
    method = f"values along {len(away)} rays at scales 1, 10, ..., 1e9, then out to 1e100"
    if relative.max() <= SETTLED:
        found |= {"supremum": plain(finite.amax()), "infimum": plain(finite.amin())}
        return Finding("not_refuted", method, found, **facts)
    y, far = inputs.pick(subject, target, at), SCALES[int(last[at])]
    found["growth"] = _exponent(a[at], b[at], c[at])
    up, before = (1.0 if c[at] > b[at] else -1.0), (SETTLING if b[at] > a[at] else -SETTLING)

    def terms(s: Tensor) -> list[Term]:
        weights = ((up, far), (-up - before, far / 10), (before, far / 100))
        return [Term(weight, (scale * s).tolist(), y) for weight, scale in weights]

    says = (
        f"from scale {far / 10:g} to {far:g} the loss moves as far as in the decade before, and "
        "goes on further out"
    )
    return indicate(subject, says, terms, away[at], method=method, found=found, **facts)


def _infinite(
    subject: Subject, away: Tensor, target: Tensor | None, values: Tensor
) -> Finding | None:
    """Refuted, if a value is infinite at 50 digits as well; in float64 it may be an overflow."""
    for i, at in values.isinf().nonzero()[:4].tolist():
        s, y = SCALES[i] * away[at], inputs.pick(subject, target, at)
        sign = 1.0 if values[i, at] > 0 else -1.0

        def terms(s: Tensor, y: Any = y, sign: float = sign) -> list[Term]:
            return [Term(sign, s.tolist(), y)]

        try:
            exact = evaluate_exactly(subject, terms(s))
        except Unsupported:
            continue
        if exact == torch.inf:
            method = "values along rays from the origin"
            return refute(subject, "the loss is infinite here", terms, s, method=method)
    return None


def _goes_on(subject: Subject, away: Tensor, target: Tensor | None) -> Tensor:
    """Whether the loss changes along each ray (N,) from halfway to the far end as up to there.

    And over the last decade as over the one before: growth that ends beyond halfway is none.
    """
    values = torch.stack([inputs.evaluate(subject, c * away, target) for c in FAR])
    last = _last_finite(values)

    def changes(*at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, b, c = (values.gather(0, i.clamp(min=0)[None])[0] for i in at)
        return (b - a).abs(), (c - b).abs(), c.abs()

    before, after, size = changes(last * 0, last // 2, last)
    on = after > SETTLING * before + SETTLED * (inputs.unit(subject) + size)
    before, after, _ = changes(last - 2, last - 1, last)
    return on & (after > SETTLING * before)


@check(
    "both",
    "Reid & Williamson 2010; Ghosh et al., AAAI 2017 (losses take values in [0, inf))",
    reach=1e9,
)
def nonnegative(subject: Subject) -> Finding:
    """The loss is never negative: l(s, y) >= 0.

    Method: random, tied and marginal inputs, rays out to 1e9, and descent from the 32 lowest.
    `found` has the least value seen, and where.
    """
    points, target = inputs.sample(subject, 4000)
    away, to = inputs.rays(subject)
    least, at, y, n = torch.inf, points[0], None, 0
    for scale in (None, *SCALES):
        where, what = (points, target) if scale is None else (scale * away, to)
        values = inputs.nan_is_infinite(inputs.evaluate(subject, where, what))
        n += len(values)
        lowest = values.min().item()
        if lowest < least:
            i = int(values.argmin())
            least, at, y = lowest, where[i], inputs.pick(subject, what, i)
    near, value, chosen = _descend(subject, points, target)
    if value < least - 1e-12 * inputs.unit(subject):
        least, at, y = value, near, chosen
    found = {"infimum": plain(least + 0.0), "at": plain(at), "target": y}
    method = "random inputs, rays out to 1e9, and descent from the lowest"
    tolerance = NEGATIVE * inputs.unit(subject)
    facts: dict[str, Any] = {"worst": -least, "tolerance": tolerance, "n": n}
    if least >= -tolerance:
        return Finding("not_refuted", method, found, **facts)

    def terms(s: Tensor) -> list[Term]:
        return [Term(-1.0, s.tolist(), y)]

    says = "the loss is negative here"
    return refute(subject, says, terms, at, method=method, found=found, **facts)


def _last_finite(values: Tensor) -> Tensor:
    """For each ray (column) the index of the last scale before the first overflow, or -1."""
    return values.isfinite().long().cumprod(0).sum(0) - 1


def _exponent(a: Tensor, b: Tensor, c: Tensor) -> float:
    """e, where the loss grows like scale^e: the change over a decade against that before."""
    return plain(torch.log10((c - b).abs() / (b - a).abs().clamp(min=1e-300)))


def _descend(subject: Subject, points: Tensor, target: Tensor | None) -> tuple[Tensor, float, Any]:
    """The lowest input that descent finds from the lowest of some: the input, value and target."""
    values = inputs.nan_is_infinite(inputs.evaluate(subject, points, target))
    order = values.argsort()
    half = STARTS // 2
    # The lowest are often alike; as many that are spread over all values start beside them.
    spread = order[torch.linspace(0, len(order) - 1, half).long()]
    chosen = torch.cat([order[:half], spread]).unique()
    moved, to = points[chosen], inputs.rows(subject, target, chosen)
    best, value = moved, values[chosen]
    for step in torch.logspace(0.5, -3, STEPS if not subject.on_embeddings else STEPS // 3):
        slope = inputs.gradient(subject, moved, to)
        size = inputs.flat(slope).view(-1, *[1] * (slope.ndim - 1))
        moved = moved - step * slope / size.clamp(min=1e-300)
        new = inputs.nan_is_infinite(inputs.evaluate(subject, moved, to))
        better = new < value
        value = value.where(~better, new)
        best = best.where(~better.view_as(size), moved)
    lowest = int(value.argmin())
    return best[lowest], value[lowest].item(), inputs.pick(subject, to, lowest)
