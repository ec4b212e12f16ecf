"""A loss as numbers: its values and gradients at fixed inputs and labels.

Two losses train alike when their gradients are proportional everywhere, so that is what is
compared. The inputs are bounded (logits within about 12), because beyond that the losses that grow
fast would be all that a comparison sees. What agrees there is looked at again far out, scale by
scale: a hinge is linear as long as no margin reaches its kink.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossatlas.losses.base import Loss
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.needs import FEATURES
from lossatlas.losses.targets import lift
from lossatlas.theory.design import generator

Kind = Literal["logits", "complementary", "embeddings"]
Function = Callable[[Tensor, Tensor], Tensor]

CLASSES = 10  # as CIFAR-10 has, so that a loss written for it can be asked about
EACH = 30  # points a stratum
SCALES = (0.3, 1.0, 3.0)
FAR = (0.01, 10.0, 30.0, 100.0)  # exp(-gap) is a float64 still
REACH = 8.0  # margins go from -REACH to REACH


class Fingerprint(NamedTuple):
    """A loss on the design.

    Attributes:
        values: (M,) float64.
        labels: (M,) int64, the label of each value (zeros for embeddings).
        gradients: (P, D) float64, a row a vector of logits (or view of a sample).
    """

    values: np.ndarray
    labels: np.ndarray
    gradients: np.ndarray


class Incomparable(ValueError):
    """Why a loss has no fingerprint, as the end of a sentence that begins with its name."""


def kind_of(target: str) -> Kind:
    """Losses are compared within a kind: a class that is *not* the label means something else."""
    kind = KINDS[target]
    return "complementary" if kind.names == "wrong" else kind.inputs


def learns_beyond(needs: Sequence[str]) -> str | None:
    """What a loss with these needs learns from besides its logits, whose slope then tells too
    little to call it equal to another; or None."""
    beyond = {"features": "its features", "extra_output": "an output that is no class"}
    return next((what for need, what in beyond.items() if need in needs), None)


def can_be_compared(cls: type[Loss]) -> bool:
    """Whether the slopes of a known loss say what it equals: any of embeddings; of logits those
    that give a value a sample and learn from nothing besides."""
    if kind_of(cls.target) == "embeddings":
        return True
    return cls.per != "batch" and learns_beyond(cls.requires) is None


@cache
def design(kind: Kind, views: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Batches (inputs float64, labels int64): one of logits (N, 10), or six of embeddings."""
    return _embeddings(views) if kind == "embeddings" else [_logits()]


@cache
def far_design(kind: Kind, views: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Batches at the scales `FAR`, one each: logits (30, 10), or the embeddings of one batch."""
    if kind == "embeddings":
        z, labels = _embeddings(views)[1]
        return [(scale * z, labels) for scale in FAR]
    g = generator()
    return [
        _labelled(scale * torch.randn(EACH, CLASSES, generator=g, dtype=torch.float64), g)
        for scale in FAR
    ]


def fingerprint(
    function: Function,
    target: str,
    views: int = 2,
    points: Callable[[], list[tuple[Tensor, Tensor]]] | None = None,
) -> Fingerprint:
    """Values and gradients of `function(inputs, target)` on the design of its kind of target.

    Class indices are lifted to the target's type. Losses of embeddings give one value a batch (the
    sum over anchors), since their samples depend on one another. `points` are taken instead of the
    design, where they are given.

    Raises:
        Incomparable: the function fails, does not return differentiable finite values, one a
            sample, or does not depend on its inputs.
    """
    kind = kind_of(target)
    batches = points() if points else design(kind, views)
    found = [_measure(function, target, batch) for batch in batches]
    for (inputs, _), one in zip(batches, found, strict=True):
        if not np.isfinite(one.values).all():
            bad = int((~np.isfinite(one.values)).sum())
            raise Incomparable(f"is not finite at {bad} of {len(one.values)} points")
        if not np.isfinite(one.gradients).all():
            raise Incomparable(
                f"has a gradient that is not finite, {_where(one.gradients, inputs)}"
            )
    whole = Fingerprint(*map(np.concatenate, zip(*found, strict=True)))
    if not whole.gradients.any():
        raise Incomparable("has a zero gradient at all points of the design")
    return whole


def far(function: Function, target: str, views: int = 2) -> list[Fingerprint]:
    """Values and gradients at each scale of `FAR`: not finite where the function fails there."""
    return [
        _measure_or_nan(function, target, batch) for batch in far_design(kind_of(target), views)
    ]


def _measure_or_nan(function: Function, target: str, batch: tuple[Tensor, Tensor]) -> Fingerprint:
    try:
        return _measure(function, target, batch)
    except Incomparable:
        inputs, labels = batch
        rows = inputs.flatten(0, -2).shape
        if kind_of(target) == "embeddings":
            labels = labels[:1] * 0
        return Fingerprint(
            np.full(len(labels), np.nan), labels.numpy(), np.full(tuple(rows), np.nan)
        )


def _measure(function: Function, target: str, batch: tuple[Tensor, Tensor]) -> Fingerprint:
    inputs, labels = batch
    embeddings = kind_of(target) == "embeddings"
    leaf = inputs.clone().requires_grad_()
    try:
        # Copies, so that code which writes into its arguments can be asked about, too.
        out = function(leaf.clone(), lift(labels.clone(), target, inputs.shape[-1]))
    except (Exception, SystemExit) as error:
        raise Incomparable(f"raises {type(error).__name__}: {_first_line(error)}") from error
    _check(out, None if embeddings else len(labels))
    try:
        (gradient,) = torch.autograd.grad(out.sum(), leaf, allow_unused=True)
    except RuntimeError as error:
        raise Incomparable(f"cannot be differentiated: {_first_line(error)}") from error
    if gradient is None:
        raise Incomparable("does not depend on the logits")
    values = out.detach().double()
    return Fingerprint(
        (values.sum()[None] if embeddings else values).numpy(),
        np.zeros(1, dtype=np.int64) if embeddings else labels.numpy(),
        gradient.reshape(-1, gradient.shape[-1]).numpy(),
    )


def _check(out: Any, n: int | None) -> None:
    if not isinstance(out, Tensor):
        raise Incomparable(f"returns {type(out).__name__}, not a tensor of values, one a sample")
    if n is not None and out.shape != (n,):
        raise Incomparable(
            f"must return one value a sample, of shape ({n},), not shape {tuple(out.shape)}"
        )
    if not out.is_floating_point():
        raise Incomparable(f"must return floating point values, not {out.dtype}")
    if not out.requires_grad:
        raise Incomparable("has no gradient in the logits: its values are detached from them")


def _where(gradients: np.ndarray, inputs: Tensor) -> str:
    row = int((~np.isfinite(gradients)).any(1).argmax())
    at = inputs.flatten(0, -2)[row]
    return f"first at {[round(x, 2) for x in at.tolist()]}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _logits() -> tuple[Tensor, Tensor]:
    """Logits in three strata: normal at three scales, near ties, and a ladder of margins.

    No two scores are equal: at a kink the gradient is a matter of taste.
    """
    g = generator()
    rows = []
    for scale in SCALES:
        rows.append(scale * torch.randn(2 * EACH, CLASSES, generator=g, dtype=torch.float64))
    lag = torch.tensor([0.5, 2.0, 6.0], dtype=torch.float64).repeat(2 * EACH // 3)[:, None]
    tied = 2 + torch.arange(2 * EACH) % 4
    ties = torch.where(torch.arange(CLASSES) < tied[:, None], 0.0, -lag)
    rows.append(ties + 0.1 * torch.randn(ties.shape, generator=g, dtype=torch.float64))
    logits = torch.cat(rows)
    logits = logits.gather(1, torch.rand(logits.shape, generator=g).argsort(1))
    logits, labels = _labelled(logits, g)

    rivals = torch.randn(2 * EACH, CLASSES, generator=g, dtype=torch.float64)
    of_ladder = torch.arange(2 * EACH) % CLASSES
    best = rivals.scatter(1, of_ladder[:, None], -math.inf).amax(1)
    ladder = torch.linspace(-REACH, REACH, 2 * EACH, dtype=torch.float64)
    rivals = rivals.scatter(1, of_ladder[:, None], (best + ladder)[:, None])
    logits, labels = torch.cat([logits, rivals]), torch.cat([labels, of_ladder])
    return logits, labels


def _labelled(logits: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """The logits with labels: the best, the second, or any class is right.

    Random labels alone would nearly all be wrong.
    """
    ranked = logits.argsort(1, descending=True)
    rank = torch.randint(CLASSES, (len(logits),), generator=g)
    rank = torch.where(torch.arange(len(logits)) % 3 < 2, torch.arange(len(logits)) % 3, rank)
    return logits, ranked.gather(1, rank[:, None]).squeeze(1)


def _embeddings(views: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of embeddings (views, 8, D), from near-equal views to unrelated ones, and labels."""
    g = generator()
    batches = []
    for scale, noise in ((1.0, 0.1), (1.0, 0.5), (1.0, 2.0), (0.3, 0.5), (3.0, 0.5), (3.0, 2.0)):
        centre = torch.randn(1, 8, FEATURES, generator=g, dtype=torch.float64)
        apart = noise * torch.randn(views, 8, FEATURES, generator=g, dtype=torch.float64)
        labels = torch.arange(8) % 3
        batches.append((scale * (centre + apart), labels))
    return batches
