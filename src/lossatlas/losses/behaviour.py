"""What a loss does, in a few numbers: so that code which only reads differently can be told.

The numbers are kept and compared to six digits, not hashed: another processor, or another order of
the same operations, changes the last digits, and of two numbers that differ in the last digit some
pair is rounded apart at any width of rounding. Losses that agree at these points to six digits are
the same for all we know; a change that shows at no logits of up to some 60 apart is not seen.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossatlas.interrupt import by_signal
from lossatlas.losses import process, registry
from lossatlas.losses.base import Loss
from lossatlas.losses.examples import batch, ready

CLASSES = (2, 4, 10)
SAMPLES = 12
SCALES = (0.5, 2.0, 8.0, 30.0)  # of the logits, in turn: from near the origin to far saturated
STEPS = 3  # calls in training mode, for what a loss remembers from one to the next
TOLERANCE = 1e-6  # relative
# Of a number below it, the absolute difference counts: cancelled digits say nothing.
SMALLEST = 1e-6


def of(conf: Mapping[str, Any]) -> str:
    """What the loss of a run's group `loss` does: numbers of eight digits, one after the other.

    For each number of classes, at fixed points in float64 and with stand-ins for what the loss
    needs: one mixture of its values, and one of its gradients with respect to inputs and to what it
    learns; for a loss with a state, the same for a few steps of training. In the place of what
    cannot be computed stands the type of the error.
    """
    with process.kept():
        torch.manual_seed(0)
        return " ".join(text for k in CLASSES for text in _at(conf, k))


def difference(one: str, other: str) -> float:
    """The largest relative difference; infinite if the two are no numbers of the same things."""
    ours, theirs = one.split(), other.split()
    if len(ours) != len(theirs):
        return float("inf")
    return max((_apart(a, b) for a, b in zip(ours, theirs, strict=True)), default=float("inf"))


def _apart(one: str, other: str) -> float:
    if one == other:
        return 0.0
    try:
        a, b = float(one), float(other)
    except ValueError:
        return float("inf")
    found = abs(a - b) / max(abs(a), abs(b), SMALLEST)
    return found if found < float("inf") else float("inf")  # also for what is not a number


def _at(conf: Mapping[str, Any], k: int) -> list[str]:
    try:
        name, hyperparameters = registry.request(conf)
        loss = ready(name, k, "none", **hyperparameters)
        draw = np.random.RandomState(k)  # whose streams never change
        found = _measure(loss, k, draw)
        if any(True for _ in loss.state_dict()):
            loss.train()
            found += [number for _ in range(STEPS) for number in _measure(loss, k, draw)]
        return [f"{number:.8g}" for number in found]
    except BaseException as error:
        if by_signal(error):
            raise
        return [type(error).__name__]


def _measure(loss: Loss, k: int, draw: np.random.RandomState) -> list[float]:
    inputs, target = batch(loss, SAMPLES, k, partial(_drawn, draw))
    if not loss.kind.on_embeddings:
        inputs *= torch.tensor(SCALES, dtype=torch.float64).repeat(SAMPLES // len(SCALES))[:, None]
    inputs.requires_grad_()
    with torch.enable_grad():
        values = loss(inputs, target).double().flatten()
        total = (values * _drawn(draw, values.shape).abs()).sum()
        given = [inputs, *(weight for weight in loss.parameters() if weight.requires_grad)]
        gradients = torch.autograd.grad(total, given, allow_unused=True)
    mixed = [(g.double() * _drawn(draw, g.shape)).sum() for g in gradients if g is not None]
    return [total.item(), *(gradient.item() for gradient in mixed)]


def _drawn(draw: np.random.RandomState, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.asarray(draw.standard_normal(tuple(shape))))
