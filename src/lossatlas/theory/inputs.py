"""Inputs for checks that do not care what a target is: logits with any target, or embeddings.

Several inputs are stacked along their first dimension: logits (N, k) with one target a row, or N
batches of embeddings (N, V, B, D) that share their labels (B,). `evaluate` gives N values in both
cases, the mean of the batch where it is one.
"""

from itertools import product
from typing import Any

import torch
from torch import Tensor

from lossatlas.losses import needs
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import lift, pairs
from lossatlas.theory import design
from lossatlas.theory.subject import Subject, slope_of

MANY = 7  # classes, beyond which not all corners are looked at
SAMPLES, DIMENSIONS = 4, needs.FEATURES  # of a batch of embeddings: as few as show the property


def targets(kind: str, n: int, k: int, seed: int = design.SEED) -> Tensor:
    """n legal targets of a loss on logits: each class by turns, then what lies between classes.

    Every second distribution or label set holds a single class.
    """
    labels = torch.arange(n) % k
    if not KINDS[kind].several:
        return labels
    g = design.generator(seed)
    between = torch.rand(n, k, generator=g, dtype=torch.float64)
    if kind == "label_set":
        mixed = between.argsort(1) < torch.randint(1, k, (n, 1), generator=g)
    else:
        mixed = torch.softmax(4 * between, 1).round(decimals=3)
        mixed[:, -1] += 1 - mixed.sum(1)
    single = lift(labels, kind, k)
    return torch.where((torch.arange(n) // k % 2 == 0)[:, None], single, mixed)


def labels_of(subject: Subject, samples: int = SAMPLES) -> Tensor | None:
    """Labels (B,) of a batch of embeddings, two samples a class; None where views are partners.

    Of no class that a loss's proxies lack.
    """
    labels, facts = pairs(subject.target, samples), getattr(subject.loss, "facts", {})
    return labels if labels is None else labels % facts.get("num_classes", samples)


def embeddings(subject: Subject, seed: int = design.SEED) -> Tensor:
    """Batches (12, V, B, D): normal, with partners close to each other, and close to collapse."""
    n, views = 12, getattr(subject.loss, "views", 2)
    g = design.generator(seed)
    shape = (n, views, SAMPLES, DIMENSIONS)
    noise = torch.randn(shape, generator=g, dtype=torch.float64)
    centre = torch.randn(n, 1, SAMPLES, DIMENSIONS, generator=g, dtype=torch.float64)
    kind = (torch.arange(n) % 3)[:, None, None, None]
    close = torch.where(kind == 1, centre + 0.3 * noise, centre[:, :, :1] + 0.1 * noise)
    return torch.where(kind == 0, noise, close)


def sample(subject: Subject, n: int = 600) -> tuple[Tensor, Tensor | None]:
    """Inputs at many scales with their targets; about n logits or 12 batches."""
    if subject.on_embeddings:
        scales = torch.tensor([0.3, 1.0, 3.0], dtype=torch.float64).repeat_interleave(4)
        return embeddings(subject) * scales[:, None, None, None], labels_of(subject)
    logits, _ = design.points(subject.k)
    logits = logits[:: max(1, len(logits) // n)]
    return logits, targets(subject.target, len(logits), subject.k)


def rays(subject: Subject) -> tuple[Tensor, Tensor | None]:
    """Directions from the origin: corners of {-1, 0, 1}^k with each label, random ones; batches."""
    if subject.on_embeddings:
        return embeddings(subject), labels_of(subject)
    k = subject.k
    if k <= MANY:
        corners = torch.tensor([c for c in product((-1, 0, 1), repeat=k) if any(c)]).double()
    else:
        corners = torch.randint(-1, 2, (200, k), generator=design.generator()).double()
        corners = torch.cat([torch.eye(k), -torch.eye(k), corners]).double()
    corners = corners[:: max(1, len(corners) // 200)].repeat_interleave(k, 0)
    random = torch.randn(10 * k, k, generator=design.generator(), dtype=torch.float64)
    away = torch.cat([corners, random])
    return away, targets(subject.target, len(away), k)


def evaluate(subject: Subject, inputs: Tensor, target: Tensor | None) -> Tensor:
    """N values at N inputs."""
    if subject.on_embeddings:
        return torch.stack([subject.function(z, target).mean() for z in inputs])
    return subject.function(inputs, target)


def gradient(subject: Subject, inputs: Tensor, target: Tensor | None) -> Tensor:
    """Gradient of each value, shaped as the inputs."""
    leaf = inputs.detach().clone().requires_grad_()
    return slope_of(evaluate(subject, leaf, target).sum(), leaf)


def pick(subject: Subject, target: Tensor | None, i: int) -> Any:
    """The target of input i as a `Term` holds it."""
    if target is None or subject.on_embeddings:
        return None if target is None else target.tolist()
    return target[i].tolist()


def rows(subject: Subject, target: Tensor | None, which: Tensor) -> Tensor | None:
    """The targets of the inputs `which`."""
    return target if target is None or subject.on_embeddings else target[which]


def nan_is_infinite(values: Tensor) -> Tensor:
    """The values with infinity for what is not a number."""
    return torch.where(values.isnan(), torch.inf, values)


def flat(gradients: Tensor) -> Tensor:
    """Largest entry (N,) of each gradient."""
    return gradients.abs().flatten(1).amax(1)


def unit(subject: Subject) -> float:
    """The typical size of the loss: its median absolute value at moderate inputs."""
    return subject.memo("unit", lambda: _unit(subject)[0])


def typical(subject: Subject) -> tuple[Tensor, Any]:
    """An input where the loss has its typical size, and its target as a `Term` holds it."""
    return subject.memo("typical", lambda: _unit(subject)[1:])


def steepness(subject: Subject) -> float:
    """The typical slope: the median over moderate inputs of a gradient's largest entry.

    With it thresholds on slopes, and bounds on rounding, grow with the loss. Where half of all
    gradients vanish it is that of the others; 1 where all do.
    """

    def compute() -> float:
        with torch.enable_grad():  # whoever asks first may not want gradients
            slopes = flat(gradient(subject, *_moderate(subject)))
        return _middle(slopes[slopes.isfinite()])

    return subject.memo("steepness", compute)


def _middle(sizes: Tensor) -> float:
    """The median of sizes; of those above zero where it is zero; 1 where none is."""
    median = sizes.median().item() if len(sizes) else 0.0
    if median == 0 and (sizes > 0).any():
        median = sizes[sizes > 0].median().item()
    return median or 1.0


def _moderate(subject: Subject) -> tuple[Tensor, Tensor | None]:
    if subject.on_embeddings:
        return embeddings(subject), labels_of(subject)
    g = design.generator()
    inputs = torch.randn(101, subject.k, generator=g, dtype=torch.float64).round(decimals=1)
    return inputs, targets(subject.target, 101, subject.k)


def _unit(subject: Subject) -> tuple[float, Tensor, Any]:
    inputs, target = _moderate(subject)
    size = evaluate(subject, inputs, target).detach().abs()
    unit = _middle(size[size.isfinite()])
    at = int((size - unit).abs().nan_to_num(nan=torch.inf).argmin())
    return unit, inputs[at], pick(subject, target, at)
