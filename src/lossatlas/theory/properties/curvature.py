"""Curvature in the logits: convexity, and the smoothness constant (largest curvature)."""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossatlas.theory import agreement, certificates, design, proof
from lossatlas.theory.certificates import Certificate
from lossatlas.theory.checks import check
from lossatlas.theory.exact import Unsupported
from lossatlas.theory.inputs import steepness
from lossatlas.theory.kinks import FINE, FINEST, STEP, jump, jump_exactly, jump_terms, suspects
from lossatlas.theory.risks import plain
from lossatlas.theory.steepest import CONSTANT, largest, unbounded
from lossatlas.theory.subject import Subject
from lossatlas.theory.targets import numbered
from lossatlas.theory.verdict import CLEAR, Finding, Term, indicate, refute, signed

ROUNDING = CLEAR * 2.0**-52  # a violation relative to the size of what it is computed from
POINTS = 12000
ASCENTS = 256
STEPS = 40
COARSE = 1e-4
RATE = 3.0  # a second difference quotient grows by more from steps of 1e-4 to 1e-6


class Curvatures(NamedTuple):
    """Hessians on the design: logits (N, k), targets (N,), eigenvalues (N, k) and -vectors."""

    logits: Tensor
    targets: Tensor
    eigenvalues: Tensor
    vectors: Tensor


@check(
    "logits", "Boyd & Vandenberghe, Convex Optimization, 2004, sections 3.1.1 and 3.1.4", reach=1e6
)
def convex_in_logits(subject: Subject) -> Finding:
    """Chords lie above: l((a + b)/2, y) <= l(a, y)/2 + l(b, y)/2 for all scores a, b and labels y.

    Method: chords between near and far points (rays out to 1e6), chords along the most negative
    eigenvalue of the Hessian (relative to its largest one), then gradient ascent on the relative
    violation from the 256 best. Hessians alone say nothing of piecewise-linear losses; chords do. A
    proof is a DCP certificate or a theorem, if the card names one.
    """
    what = numbered(subject)
    curvatures = _curvatures(subject)
    a, b, every = _chords(curvatures)
    a, b, y, relative = _ascend(what.subject, a, b, every)
    worst, at = relative.max(0)
    n = len(curvatures.logits) + len(every) + STEPS * ASCENTS
    method = "Hessians at random, tied and marginal logits; chords out to 1e6, then by ascent"
    finding = Finding(
        "not_refuted", method, found=_extremes(curvatures), worst=worst.item(),
        tolerance=ROUNDING, n=n,
    )  # fmt: skip
    if not worst.isfinite():
        return replace(finding, verdict="inconclusive", reason="no chord has finite values")
    if worst > ROUNDING:
        target = what.target(int(y[at]))

        def terms(a: Tensor, b: Tensor) -> list[Term]:
            ends = [Term(-0.5, end.tolist(), target) for end in (a, b)]
            return [Term(1.0, ((a + b) / 2).tolist(), target), *ends]

        says = "the loss at the midpoint exceeds the mean of the loss at the two ends"
        tried = refute(subject, says, terms, a[at], b[at], method=method)
        finding = replace(
            finding, verdict=tried.verdict, witness=tried.witness, reason=tried.reason
        )
    if finding.verdict == "refuted":
        return finding
    text, note = _certified(subject)
    if text:
        return replace(finding, verdict="proved", certificate=text, reason=None)
    return replace(finding, reason=note or finding.reason)


def _certified(subject: Subject) -> Certificate:
    """A certificate of convexity; of a sum with positive weights, one of each part."""
    if subject.summands:
        found = [(part.name, _certified(part)) for _, part in subject.summands]
        if all(one.text for _, one in found):
            return Certificate("; ".join(f"{name}: {one.text}" for name, one in found), None)
        return next(one for _, one in found if not one.text)
    return certificates.dcp(subject) or Certificate(proof.prove(subject, "convex_in_logits"), None)


@check(
    "logits",
    "Nesterov, Introductory Lectures on Convex Optimization, 2004, section 1.2.2",
    reach=1e12,
)
def smooth(subject: Subject) -> Finding:
    """The gradient is Lipschitz: |grad l(a, y) - grad l(b, y)| <= M |a - b| for some finite M.

    Method: M is at least the largest absolute eigenvalue of a Hessian, on the design and by
    climbing from there. There is no M where it grows by a power of the distance, at infinity, at
    zero or at a place of steep change, or where second difference quotients grow as their step
    shrinks (kinks). Only growth counts that lasts out to 1e12, in to 1e-100 of zero, or down to
    1e-12 of another place.
    """
    what = numbered(subject)
    curvatures = _curvatures(subject)

    def height(points: Tensor, targets: Tensor) -> Tensor:
        return _eigen(what.subject.hessian(points, targets))[0].abs().amax(1)

    seen = curvatures.eigenvalues.abs().amax(1)
    far, found = largest(subject, height, curvatures.logits, curvatures.targets, seen, "curvature")
    facts: dict[str, Any] = {"found": found, "n": len(seen) + far.heights.numel()}
    method = (
        "Hessians at random, tied and marginal logits, at distances 1e-100 to 1e12, by climbing; "
        "second differences at kinks"
    )

    def ways(logits: Tensor, targets: Tensor) -> Tensor:
        values, vectors = _eigen(what.subject.hessian(logits, targets))
        return vectors[torch.arange(len(vectors)), :, values.abs().argmax(1)]

    def measure(s: Tensor, v: Tensor, target: Any, distance: float, weight: float) -> list[Term]:
        return _second(subject, s, v, target, 0.01 * min(1.0, distance), weight)

    finding = unbounded(subject, height, far, 2, ways, measure, method, facts)
    finding = finding or _kinked(subject, method, facts)
    if finding:
        if finding.verdict == "evidence_against":
            for name in CONSTANT:
                found.pop(name)
        return finding
    return Finding("not_refuted", method, **facts)


def _curvatures(subject: Subject) -> Curvatures:
    def compute() -> Curvatures:
        what = numbered(subject)
        logits, _ = design.points(subject.k)
        logits = logits[torch.randperm(len(logits), generator=design.generator())[:POINTS]]
        targets = what.cycle(len(logits))
        return Curvatures(logits, targets, *_eigen(what.subject.hessian(logits, targets)))

    return subject.memo("curvatures", compute)


def _eigen(hessians: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (N, k) and eigenvectors (N, k, k) as columns; NaN where a Hessian is."""
    hessians = (hessians + hessians.mT) / 2
    fine = hessians.isfinite().all(2).all(1)
    values, vectors = torch.linalg.eigh(torch.where(fine[:, None, None], hessians, 0.0))
    return torch.where(fine[:, None], values, torch.nan), vectors


def _extremes(curvatures: Curvatures) -> dict[str, Any]:
    values = curvatures.eigenvalues[curvatures.eigenvalues.isfinite().all(1)]
    if len(values) == 0:
        return {}
    return {
        "least_eigenvalue": plain(values.min().item()),
        "largest_eigenvalue": plain(values.max().item()),
    }


def _chords(curvatures: Curvatures) -> tuple[Tensor, Tensor, Tensor]:
    """Ends a, b (M, k) and targets (M,): around each point in a random direction, from point to
    point, along rays and between them out to 1e6, and around some in the direction that is most
    concave relative to the largest curvature.
    """
    s, y = curvatures.logits, curvatures.targets
    way = torch.randn(s.shape, generator=design.generator(), dtype=s.dtype)
    length = torch.tensor([0.05, 0.5, 3.0], dtype=s.dtype).repeat(len(s))[: len(s), None]
    near = length * way / way.norm(dim=1, keepdim=True)
    size = curvatures.eigenvalues.abs().amax(1).clamp(min=1e-30)
    relative = (curvatures.eigenvalues.amin(1) / size).nan_to_num(nan=0.0)
    low = relative.topk(ASCENTS, largest=False).indices
    concave = curvatures.vectors[low, :, 0]
    ends = [(s - near, s + near, y), (s, s.roll(1, 0), y)]
    ends += [(s[low] - t * concave, s[low] + t * concave, y[low]) for t in (0.03, 0.3, 1.0, 3.0)]
    far = agreement.points(s.shape[1])
    to = torch.arange(len(far)) % (int(y.max()) + 1)
    ends += [(far, c * far, to) for c in (0.0, 0.3, 2.0)] + [(far, far.roll(1, 0), to)]
    a, b, labels = (torch.cat(column) for column in zip(*ends, strict=True))
    return a, b, labels


def _violation(subject: Subject, a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """Violation of convexity over the size of what it is computed from, (M,); -inf if not finite.

    The denominator, times 2^-52, bounds the rounding as in `verdict.evaluate`.
    """
    here, there, middle = (subject.values(s, y) for s in (a, b, (a + b) / 2))
    size = here.abs() / 2 + there.abs() / 2 + middle.abs()
    inputs = torch.maximum(a.abs().amax(1), b.abs().amax(1))
    relative = (middle - here / 2 - there / 2) / (
        size + 2 * steepness(subject) * (1 + inputs)
    ).detach()
    return torch.where(relative.isfinite(), relative, -torch.inf)


def _ascend(
    subject: Subject, a: Tensor, b: Tensor, y: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best of each of 256 ascents on the violation: ends, targets and violations.

    Steps along the gradient shrink from half the distance of the ends to a hundredth.
    """
    with torch.no_grad():
        top = _violation(subject, a, b, y).topk(ASCENTS).indices
    ends, labels = torch.stack([a[top], b[top]]), y[top]
    best, score = ends, a.new_full((ASCENTS,), -torch.inf)
    reach = (ends[0] - ends[1]).norm(dim=1)[None, :, None]
    for step in torch.logspace(0, -1.7, STEPS).tolist():
        leaf = ends.clone().requires_grad_()
        now = _violation(subject, leaf[0], leaf[1], labels)
        better = now.detach() > score
        best = torch.where(better[None, :, None], ends, best)
        score = torch.where(better, now.detach(), score)
        total = now[now.isfinite()].sum()
        if not total.requires_grad:
            break
        (slope,) = torch.autograd.grad(total, leaf)
        slope = slope.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        slope = slope / slope.abs().amax((0, 2), keepdim=True).clamp(min=1e-300)
        length = slope.square().sum((0, 2), keepdim=True).sqrt().clamp(min=1e-300)
        ends = ends + 0.5 * step * reach * slope / length
    return best[0], best[1], labels, score


def _second(
    subject: Subject, s: Tensor, v: Tensor, target: Any, h: float, weight: float
) -> list[Term]:
    """`weight` times the absolute second difference quotient over a step h."""
    terms = signed(subject, jump_terms(s, v, target, h, 1 / h))
    return [term._replace(weight=weight * term.weight) for term in terms]


def _kinked(subject: Subject, method: str, facts: dict[str, Any]) -> Finding | None:
    """Evidence against, if second difference quotients grow as their step shrinks to 1e-12."""
    what = numbered(subject)
    places = suspects(subject)
    coarse = jump(what.subject, places.points, places.along, places.targets, COARSE)
    growing = (places.jumps / STEP > RATE * coarse / COARSE).nonzero().flatten()[:4]
    for s, v, y, _ in zip(*(column[growing] for column in places), strict=True):
        target = what.target(int(y))
        try:
            finest, fine = (jump_exactly(subject, s, v, target, h) for h in (FINEST, FINE))
        except Unsupported as error:
            return Finding("inconclusive", method, reason=str(error), **facts)
        if finest / FINEST <= 2 * fine / FINE:
            continue

        def terms(s: Tensor, v: Tensor, target: Any = target) -> list[Term]:
            return [
                *_second(subject, s, v, target, STEP, 1.0),
                *_second(subject, s, v, target, COARSE, -RATE),
            ]

        says = (
            f"the second difference quotient over steps of {STEP:g} is over {RATE:g} times that "
            f"over {COARSE:g}, and goes on growing down to {FINEST:g}"
        )
        finding = indicate(subject, says, terms, s, v, method=method, **facts)
        if finding.verdict == "evidence_against":
            return finding
    return None
