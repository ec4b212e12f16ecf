"""The largest slope or curvature of a loss, and evidence that there is no largest."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from lossatlas.theory.growth import HOME, NEAR, Height, Ladder, climb, ladder, rounded
from lossatlas.theory.kinks import persists, suspects
from lossatlas.theory.risks import plain
from lossatlas.theory.subject import Subject
from lossatlas.theory.targets import numbered
from lossatlas.theory.verdict import Finding, Term, indicate, of_distances

CONSTANT = ("constant", "at", "target")  # what is found, and not so where there is no largest


def largest(
    subject: Subject, height: Height, logits: Tensor, targets: Tensor, seen: Tensor, name: str
) -> tuple[Ladder, dict[str, Any]]:
    """The ladder of heights from zero, and what a check has found: the largest, and its growth.

    `seen` are the heights (N,) at logits (N, k) and targets (N,); from the largest and from the
    ladder it is climbed. `name` is that of the ladder's heights among what is found.
    """
    what = numbered(subject)
    start = seen.nan_to_num(nan=0.0, posinf=0.0).topk(64).indices
    far = ladder(height, subject.k, torch.arange(what.n))
    peak = climb(
        height, torch.cat([logits[start], far.points]), torch.cat([targets[start], far.targets])
    )
    return far, {
        "constant": plain(peak.height),
        "at": plain(peak.at), "target": what.target(peak.target),
        "exponent_at_zero": rounded(far.at_centre),
        "exponent_at_infinity": rounded(far.at_infinity),
        "radius": list(far.radii), name: plain(far.heights),
    }  # fmt: skip


def unbounded(
    subject: Subject,
    height: Height,
    far: Ladder,
    order: Literal[1, 2],
    ways: Callable[[Tensor, Tensor], Tensor],
    measure: Callable[[Tensor, Tensor, Any, float, float], list[Term]],
    method: str,
    facts: dict[str, Any],
) -> Finding | None:
    """Evidence against a bound, if heights grow by a power of the distance from zero or elsewhere.

    Inconclusive, where they grow at scores alone that the loss's head cannot give.

    Args:
        subject: the loss.
        height: of slopes (order 1) or curvatures (order 2).
        far: the ladder from zero.
        order: of the derivative.
        ways: directions (N, k) in which the heights at logits (N, k) and targets (N,) are attained.
        measure: terms for a weight times the height at a point, way and target, seen at a distance.
        method: of the finding.
        facts: further fields of the finding.
    """
    what, unreachable = numbered(subject), None
    for centre, rungs in _ladders(subject, height, far):
        if (grown := rungs.growth()) is None:
            continue
        if centre.norm() > 0 and not persists(subject, centre, rungs, what, order):
            continue
        towards, low, high = grown
        logits, targets = rungs.points[[high, low]], rungs.targets[[high, low]]
        labels = [what.target(int(y)) for y in targets]
        radii = [rungs.radii[high], rungs.radii[low]]

        def terms(
            a: Tensor, b: Tensor, v: Tensor, w: Tensor,
            labels: list[Any] = labels, radii: list[float] = radii,
        ) -> list[Term]:  # fmt: skip
            return [
                *measure(a, v, labels[0], radii[0], 1.0),
                *measure(b, w, labels[1], radii[1], -5.0),
            ]

        says = (
            f"the {('slope', 'curvature')[order - 1]} at distance {radii[0]:g} from "
            f"{plain(centre + 0.0)} is over 5 times the largest found at {radii[1]:g}, and "
            f"grows by a power of it {towards}"
        )
        points = (*logits, *ways(logits, targets))
        finding = indicate(subject, says, terms, *points, method=method, **facts)
        if finding.verdict == "evidence_against":
            return finding
        if of_distances(subject):
            unreachable = finding
    return unreachable


def _ladders(subject: Subject, height: Height, far: Ladder) -> Iterator[tuple[Tensor, Ladder]]:
    """Zero and places of steep change, with a ladder of heights around each."""
    yield torch.zeros(subject.k, dtype=torch.float64), far
    places = suspects(subject).best(4)
    for s, y in zip(places.points, places.targets, strict=True):
        if s.norm() >= HOME:  # what is closer to zero is seen from there
            yield s, ladder(height, subject.k, y[None], s, NEAR)
