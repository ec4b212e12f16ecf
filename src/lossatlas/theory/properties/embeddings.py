"""Losses of embeddings: what a batch may undergo, what its size does, and what collapse costs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lossatlas.theory import design, inputs
from lossatlas.theory.checks import check
from lossatlas.theory.risks import plain
from lossatlas.theory.subject import Subject, slope_of
from lossatlas.theory.verdict import Finding, Term, refute, signed

TOLERANCE = 1e-9  # relative to the loss's typical size plus its values
BATCHES = (4, 8, 16, 32, 64)
STEPS = 30


@check("embeddings", "Wang & Isola, ICML 2020 (the hypersphere)", reach=3)
def rotation_invariant(subject: Subject) -> Finding:
    """Turning all embeddings alike changes nothing: l(z R) = l(z) for orthogonal R.

    Method: 4 random rotations of 12 batches: normal ones, with close partners, close to collapse.
    """
    g = design.generator()
    square = torch.randn(4, *[inputs.DIMENSIONS] * 2, generator=g, dtype=torch.float64)
    rotations = torch.linalg.qr(square)[0]

    def turned(rotation: Tensor) -> Callable[[Tensor, list[int]], tuple[Tensor, list[int]]]:
        return lambda z, y: (z @ rotation, y)

    moves = [turned(rotation) for rotation in rotations]
    return _unchanged(subject, moves, "a rotation changes the loss", "random rotations")


@check("embeddings", "Chen et al., ICML 2020 (a sum over the batch)", reach=3)
def permutation_invariant(subject: Subject) -> Finding:
    """The order of the samples does not matter: the mean over the batch stays when they move.

    All views of a sample move together, and its label with it. Method: 4 random orders of 12
    batches.
    """
    g = design.generator()
    orders = [torch.randperm(inputs.SAMPLES, generator=g) for _ in range(4)]

    def moved(order: Tensor) -> Callable[[Tensor, list[int]], tuple[Tensor, list[int]]]:
        return lambda z, y: (z[:, order], [y[i] for i in order.tolist()] if y else y)

    moves = [moved(order) for order in orders]
    return _unchanged(subject, moves, "another order changes the loss", "random orders")


@check("embeddings", "Chen et al., ICML 2020 (all others in the batch are negatives)", reach=3)
def duplicate_invariant(subject: Subject) -> Finding:
    """A batch in which every sample occurs twice has the mean of the batch itself.

    It does where the loss is a mean over samples, or over all pairs. A contrastive loss, which
    takes a sample's twin for a negative, is refuted. Method: 12 batches.
    """

    def doubled(z: Tensor, y: list[int]) -> tuple[Tensor, list[int]]:
        return torch.cat([z, z], 1), y + y

    return _unchanged(subject, [doubled], "doubling the batch changes the loss", "doubling")


@check(
    "embeddings", "Chen et al., ICML 2020 (batch size); Yeh et al., ECCV 2022 (decoupling)", reach=3
)
def batch_size_invariant(subject: Subject) -> Finding:
    """A batch costs what its halves cost on average: l(A and B) = (l(A) + l(B))/2.

    Then the batch size changes neither the expected loss nor its gradient. `found` shows what it
    does: the mean `value` and the norm of the `gradient` of one sample, times the batch size, for
    normal embeddings of each `batch` size. Method: 12 pairs of batches.
    """
    a, b = inputs.embeddings(subject), inputs.embeddings(subject, seed=design.SEED + 1)
    labels = inputs.labels_of(subject)
    both = None if labels is None else labels.repeat(2)
    whole = inputs.evaluate(subject, torch.cat([a, b], 2), both)
    parts = inputs.evaluate(subject, a, labels) + inputs.evaluate(subject, b, labels)
    change = (whole - parts / 2).abs() / (inputs.unit(subject) + whole.abs())
    at, worst = int(change.argmax()), change.max().item()
    facts: dict[str, Any] = {"found": _by_batch(subject), "worst": worst, "n": len(a)}
    facts["tolerance"] = TOLERANCE
    method = "a batch against the mean of its halves"
    if worst <= TOLERANCE:
        return Finding("not_refuted", method, **facts)
    y = None if labels is None else labels.tolist()

    def terms(a: Tensor, b: Tensor) -> list[Term]:
        together = Term(1.0, torch.cat([a, b], 1).tolist(), y and y + y)
        halves = [Term(-0.5, a.tolist(), y), Term(-0.5, b.tolist(), y)]
        return signed(subject, [together, *halves])

    says = "a batch does not cost what its halves cost on average"
    return refute(subject, says, terms, a[at], b[at], method=method, **facts)


@check("embeddings", "Wang & Isola, ICML 2020 (alignment and uniformity)", reach=3)
def collapse_is_minimal(subject: Subject) -> Finding:
    """No embeddings cost less than collapsed ones: l(e, ..., e) <= l(z_1, ..., z_N).

    What a loss must not satisfy if it is to keep representations apart without further means.
    `found`: the loss of the `collapsed` batch, the least found (`best`) and that of a `random`
    batch. Method: descent from 12 batches; the collapsed vector has norm 1/2, 1 or 2.
    """
    labels = inputs.labels_of(subject)
    start = inputs.embeddings(subject)
    direction = torch.zeros(start.shape[-1], dtype=torch.float64)
    direction[:3] = torch.tensor([2.0, 1.0, 2.0]) / 3
    equal = torch.stack([c * direction.expand_as(start[0]) for c in (0.5, 1.0, 2.0)])
    collapsed = inputs.evaluate(subject, equal, labels)
    z = torch.cat([start, equal])
    best, value = z, inputs.evaluate(subject, z, labels)
    random = value[0].item()
    for step in torch.logspace(0, -3, STEPS):
        slope = inputs.gradient(subject, z, labels)
        size = inputs.flat(slope).view(-1, 1, 1, 1).clamp(min=1e-300)
        z = z - step * slope / size
        new = inputs.nan_is_infinite(inputs.evaluate(subject, z, labels))
        best = torch.where((new < value).view(-1, 1, 1, 1), z, best)
        value = torch.minimum(new, value)
    at, low = int(value.argmin()), int(collapsed.argmin())
    excess = (collapsed.min() - value.min()).item()
    found = {
        "collapsed": plain(collapsed.min()),
        "best": plain(value.min()),
        "random": plain(random),
    }
    tolerance = TOLERANCE * (inputs.unit(subject) + collapsed.min().abs().item())
    facts: dict[str, Any] = {"worst": excess, "tolerance": tolerance, "n": len(z) * STEPS}
    method = "descent from normal, clustered and nearly collapsed batches"
    if excess <= tolerance:
        return Finding("not_refuted", method, found, **facts)
    y = None if labels is None else labels.tolist()

    def terms(e: Tensor, z: Tensor) -> list[Term]:
        return [Term(1.0, e.tolist(), y), Term(-1.0, z.tolist(), y)]

    says = "the collapsed batch costs more than another"
    return refute(subject, says, terms, equal[low], best[at], method=method, found=found, **facts)


def _unchanged(
    subject: Subject,
    moves: list[Callable[[Tensor, list[int]], tuple[Tensor, list[int]]]],
    says: str,
    how: str,
) -> Finding:
    """The verdict on "these moves leave the mean of the batch as it is"."""
    batches, labels = inputs.embeddings(subject), inputs.labels_of(subject)
    y = [] if labels is None else labels.tolist()
    here = inputs.evaluate(subject, batches, labels)
    worst, where = 0.0, (0, moves[0])
    for move in moves:
        for i, z in enumerate(batches):
            moved, to = move(z, y)
            there = subject.function(moved, torch.tensor(to) if to else None).mean()
            change = (there - here[i]).abs() / (inputs.unit(subject) + here[i].abs())
            if change > worst:
                worst, where = change.item(), (i, move)
    facts: dict[str, Any] = {"worst": worst, "tolerance": TOLERANCE, "n": len(moves) * len(batches)}
    method = f"{how} of normal, clustered and nearly collapsed batches"
    if worst <= TOLERANCE:
        return Finding("not_refuted", method, **facts)
    at, move = where

    def terms(z: Tensor) -> list[Term]:
        moved, to = move(z, y)
        pair = [Term(1.0, moved.tolist(), to or None), Term(-1.0, z.tolist(), y or None)]
        return signed(subject, pair)

    return refute(subject, says, terms, batches[at], method=method, **facts)


def _by_batch(subject: Subject) -> dict[str, Any]:
    values, slopes = [], []
    views = getattr(subject.loss, "views", 2)
    for size in BATCHES:
        g = design.generator(size)
        z = torch.randn(
            views, size, inputs.DIMENSIONS, generator=g, dtype=torch.float64, requires_grad=True
        )
        value = subject.function(z, inputs.labels_of(subject, size)).mean()
        slope = slope_of(value, z)
        values.append(value.item())
        slopes.append(size * slope.norm(dim=2).mean().item())
    return {"batch": list(BATCHES), "value": plain(values), "gradient": plain(slopes)}
