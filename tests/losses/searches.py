"""One search per property of a card: how badly a loss violates it, 0 for not at all.

A property that a card denies must be violated somewhere, and the search has to find the place; so
every search looks near the origin and far out, with few classes and with more.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lossatlas import cards
from lossatlas.losses.base import Loss
from losses.inputs import batch, extremes, labelled, random_target, seeded, wrong

SCALES = (0.3, 1.0, 3.0, 10.0, 30.0)


def _logits(kind: str) -> Iterator[tuple[Tensor, Tensor]]:
    for k in (2, 3, 5):
        for seed, scale in enumerate(SCALES):
            logits, target = batch(kind, n=200, k=k, scale=scale, seed=seed)
            assert target is not None
            yield logits, target


def _relative(excess: Tensor, *values: Tensor) -> float:
    size = 1 + torch.stack([value.abs() for value in values]).amax(0)
    return (excess / size).max().item()


def shift_invariant(loss: Loss, kind: str) -> float:
    """Largest relative change of the value when a constant is added to all logits."""
    worst = 0.0
    for logits, target in _logits(kind):
        for shift in (-10.0, -1.0, 1.0, 100.0):
            here, there = loss(logits, target), loss(logits + shift, target)
            worst = max(worst, _relative((here - there).abs(), here, there))
    return worst


def nonnegative(loss: Loss, kind: str) -> float:
    """The most negative value found, at random, at extreme and at ideal inputs."""
    if kind in cards.EMBEDDING_TARGETS:
        values = [loss(*batch(kind, scale=scale)) for scale in SCALES]
        z, labels = batch(kind)
        values.append(loss(torch.stack([z[0], z[0]]), labels))
    else:
        values = [loss(logits, target) for logits, target in _logits(kind)]
        values += [loss(*extremes(kind, size)) for size in (1.0, 20.0, 1e4)]
        if kind == "distribution":
            q = random_target(kind, 50, 5, seeded(1))
            values.append(loss(q.log().clamp(min=-1e3), q))
    return max(0.0, -min(value.min().item() for value in values))


def convex_in_logits(loss: Loss, kind: str) -> float:
    """Largest relative amount by which a value lies above the chord through two neighbours."""
    worst = 0.0
    for seed, (middle, target) in enumerate(_logits(kind)):
        step = torch.randn(middle.shape, generator=seeded(99 + seed), dtype=torch.float64)
        for length in (1.0, middle.std().item()):
            worst = max(worst, _above_chord(loss, middle, length * step, target))
    margins = torch.linspace(-60, 60, 241, dtype=torch.float64)
    tails = torch.stack([margins, torch.zeros_like(margins)], 1)
    _, target = wrong(kind, 0.0, k=2)
    target = target.expand(len(tails), *target.shape[1:])
    return max(worst, _above_chord(loss, tails, torch.tensor([[1.0, 0.0]]), target))


def _above_chord(loss: Loss, middle: Tensor, step: Tensor, target: Tensor) -> float:
    values = [loss(middle + sign * step, target) for sign in (-1, 0, 1)]
    return _relative(values[1] - (values[0] + values[2]) / 2, *values)


def bounded(loss: Loss, kind: str) -> float:
    """Relative growth of the largest value from inputs of size 100 to inputs of size 10,000."""
    near, far = (loss(*extremes(kind, size)).abs().max().item() for size in (1e2, 1e4))
    growth = far / near - 1
    return growth if growth > 0.01 else 0.0


def symmetric_sum_constant(loss: Loss, kind: str) -> float:
    """Relative spread, over random logits, of the sum of the loss over all labels."""
    worst = 0.0
    for k in (2, 3, 5):
        scales = torch.tensor(SCALES, dtype=torch.float64).repeat(40)[:, None]
        logits = scales * torch.randn(200, k, generator=seeded(k), dtype=torch.float64)
        labels = [labelled(kind, torch.full((200,), label), k) for label in range(k)]
        sums = sum(loss(logits, label) for label in labels)
        assert isinstance(sums, Tensor)
        worst = max(worst, ((sums.max() - sums.min()) / (1 + sums.abs().max())).item())
    return worst


def rotation_invariant(loss: Loss, kind: str) -> float:
    """Largest relative change of the mean when all embeddings are rotated alike."""
    return _moved(loss, kind, lambda z, seed: z @ _rotation(z.shape[-1], seed))


def scale_invariant(loss: Loss, kind: str) -> float:
    """Largest relative change of the mean when all embeddings are stretched alike."""
    return _moved(loss, kind, lambda z, seed: z * (0.1, 0.5, 3.0, 50.0)[seed])


def permutation_invariant(loss: Loss, kind: str) -> float:
    """Largest relative change of the mean when the samples (with their labels) change places."""
    worst = 0.0
    for seed in range(4):
        z, labels = batch(kind, seed=seed)
        order = torch.randperm(z.shape[1], generator=seeded(seed))
        moved = loss(z[:, order], None if labels is None else labels[order])
        worst = max(worst, _change(loss(z, labels), moved))
    return worst


def _moved(loss: Loss, kind: str, move: Callable[[Tensor, int], Tensor]) -> float:
    worst = 0.0
    for seed in range(4):
        z, labels = batch(kind, seed=seed)
        worst = max(worst, _change(loss(z, labels), loss(move(z, seed), labels)))
    return worst


def _change(here: Tensor, there: Tensor) -> float:
    before, after = here.mean(), there.mean()
    return ((before - after).abs() / (1 + before.abs())).item()


def _rotation(dimension: int, seed: int) -> Tensor:
    square = torch.randn(dimension, dimension, generator=seeded(seed), dtype=torch.float64)
    return torch.linalg.qr(square)[0]


SEARCHES: dict[str, Callable[[Loss, str], float]] = {
    search.__name__: search
    for search in (
        shift_invariant, nonnegative, convex_in_logits, bounded, symmetric_sum_constant,
        rotation_invariant, scale_invariant, permutation_invariant,
    )
}  # fmt: skip
