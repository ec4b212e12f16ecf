"""Losses as combinations of known functions of the scores: what theorems on risks compare with.

A theorem's test fits the loss by l(s, y) = c + sum_i a_i f_i(s, y), and looks at the weights a_i
and at the relative residual.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lossatlas.theory import agreement, design
from lossatlas.theory.minimise import scale
from lossatlas.theory.subject import Subject

Feature = Callable[[Tensor], Tensor]  # logits (N, k) -> values (N, k), one for each label


def fit(subject: Subject, *features: Feature) -> tuple[list[float], float]:
    """Weights a_i of the best fit of c + sum_i a_i f_i to all labels' losses, and its residual.

    Fitted at scores up to 40; the residual is the largest there and at those of `agreement`,
    relative to the loss there or to its scale if that is larger. Infinite where a loss at scores up
    to 40 is not finite: no weights fit that.
    """
    logits, _ = design.points(subject.k)
    logits = logits[logits.abs().amax(1) <= 40][::20]
    values, columns = _columns(subject, logits, features)
    y = values.flatten()
    if not y.isfinite().all():
        return [math.nan] * len(features), math.inf
    size = y.abs().clamp(min=scale(subject))
    a = torch.linalg.lstsq(columns / size[:, None], (y / size)[:, None]).solution[:, 0]
    residual = 0.0
    for where in (logits, agreement.points(subject.k)):
        values, columns = _columns(subject, where, features)
        formula = (columns @ a).view_as(values)
        residual = max(residual, agreement.apart(subject, where, values, formula).max().item())
    return a[1:].tolist(), residual


def _columns(
    subject: Subject, logits: Tensor, features: tuple[Feature, ...]
) -> tuple[Tensor, Tensor]:
    """Values (N, k), and the columns (N k, 1 + F) of a constant and of the features."""
    values = subject.table(logits).detach()
    columns = [torch.ones_like(values), *(f(logits) for f in features)]
    return values, torch.stack([column.flatten() for column in columns], 1)


def probability(s: Tensor) -> Tensor:
    """p_y = softmax(s)_y."""
    return torch.softmax(s, 1)


def log_score(s: Tensor) -> Tensor:
    """-log p_y."""
    return -torch.log_softmax(s, 1)


def normalised_log_score(s: Tensor) -> Tensor:
    """log p_y / sum_k log p_k."""
    log_p = torch.log_softmax(s, 1)
    return log_p / log_p.sum(1, keepdim=True)


def share_above(s: Tensor, least: float = 1e-7) -> Tensor:
    """b_y / sum_k b_k with b_k = log(max(p_k, least) / least)."""
    b = torch.log_softmax(s, 1).clamp(min=math.log(least)) - math.log(least)
    return b / b.sum(1, keepdim=True)


def squared_distance(p: Tensor) -> Tensor:
    """|p - e_y|^2 for any p (N, k)."""
    return p.square().sum(1, keepdim=True) - 2 * p + 1
