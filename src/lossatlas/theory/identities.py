"""Losses that are one loss: every exact identity among the registered ones.

A loss at its defaults is held against each other one of its kind at its defaults and at each step
of each ladder of its hyperparameters (see `fit`). What agrees on the design is tried at points that
no search has seen, and far out; only what agrees there, too, is an identity. Whether it is one of
ten classes alone, as a weight of 10 / K is 1 there, is tried at another number.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossatlas.cards import Limit
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.examples import ready
from lossatlas.losses.needs import FEATURES
from lossatlas.theory.fingerprint import (
    CLASSES,
    Fingerprint,
    Incomparable,
    can_be_compared,
    fingerprint,
    kind_of,
)
from lossatlas.theory.fit import EXACT, Candidate, Setting, gradients_of, known_far
from lossatlas.theory.nearest import snapped, term, written
from lossatlas.threads import one_thread

Point = tuple[str, frozenset[tuple[str, float]]]
FRESH = 1e-8  # relative residual at points that no search has seen
SEED = 20_261
FEWER = 4  # classes, at which each identity is tried again


class Identity(NamedTuple):
    """`loss` at its defaults has the gradients of `factor` times `other` at `setting`.

    Attributes:
        residual: relative, of the gradients on the design.
        fresh: the same at new points.
        told: whether a card of the two says so under `limits`.
        fewer: whether it holds for `FEWER` classes, too, by the same factor.
    """

    loss: str
    other: str
    setting: dict[str, float]
    factor: float
    residual: float
    fresh: float
    told: bool
    fewer: bool

    @property
    def formula(self) -> str:
        """`2 * gce(q=1)`."""
        return term(self.factor, written(self.other, self.setting))


@one_thread()
def candidates(names: Sequence[str]) -> list[Candidate]:
    """Those of the losses that can be compared: with a card, a value a sample and a fingerprint."""
    found = []
    for name in names:
        if not registry.has_card(name) or not can_be_compared(registry.get_class(name)):
            continue
        try:
            found.append(Candidate(name))
        except (UserError, Incomparable):
            continue
    return found


@one_thread()
def identities(compared: Sequence[Candidate]) -> list[Identity]:
    """All identities among these losses, each pair at its simplest setting.

    Of losses that are one at their defaults the first speaks for all.
    """
    groups: dict[tuple[str, tuple[int, ...]], list[Candidate]] = {}
    for one in compared:
        kind = kind_of(registry.get_class(one.name).target)
        groups.setdefault((kind, one.default.gradients.shape), []).append(one)
    told = _told()
    return [one for group in groups.values() for one in _among(group, told)]


def _among(group: Sequence[Candidate], told: Callable[[Point, Point], bool]) -> list[Identity]:
    pool = [(one, *seen) for one in group for seen in one.seen()]
    units = np.array([_unit(found) for _, _, found in pool])
    identities: list[Identity] = []
    spoken_for: set[str] = set()
    for subject in group:
        if subject.name in spoken_for:
            continue
        view = gradients_of(subject.default)
        # The simplest first, so that of several settings of one loss the default is taken.
        near = np.flatnonzero(units @ _unit(subject.default) > 1 - 1e-6)
        done = {subject.name}
        for at in sorted(near.tolist(), key=lambda i: len(pool[i][1])):
            other, setting, found = pool[at]
            residual = view.residual(found)
            if other.name in done or residual > EXACT:
                continue
            fresh = _apart(subject.name, other.name, setting)
            if fresh <= FRESH:
                done.add(other.name)
                if not setting:
                    spoken_for.add(other.name)
                factor = snapped(view.scale(found), EXACT)
                says = told(_point(subject.name, {}), _point(other.name, setting))
                fewer = _holds_for_fewer(subject.name, other.name, setting, factor)
                identities.append(
                    Identity(
                        subject.name, other.name, setting, factor, residual, fresh, says, fewer
                    )
                )
    return identities


def _unit(found: Fingerprint) -> np.ndarray:
    flat = found.gradients.ravel()
    return flat / (np.linalg.norm(flat) or 1.0)


def _apart(name: str, other: str, setting: Setting) -> float:
    """The largest relative residual at new points and far out; infinite where one fails there."""
    try:
        pairs = [
            (_fresh(name, {}), _fresh(other, setting)),
            (known_far(name, {}), known_far(other, setting)),
        ]
    except (UserError, Incomparable):
        return float("inf")
    return max(gradients_of(mine).residual(theirs) for mine, theirs in pairs)


def _holds_for_fewer(name: str, other: str, setting: Setting, factor: float) -> bool:
    try:
        mine = _fresh(name, {}, FEWER).gradients
        theirs = factor * _fresh(other, setting, FEWER).gradients
    except (ValueError, Incomparable):  # a setting that so few classes do not have, such as top 9
        return False
    return float(np.linalg.norm(mine - theirs)) <= FRESH * float(np.linalg.norm(mine))


def _fresh(name: str, setting: Setting, k: int = CLASSES) -> Fingerprint:
    loss = ready(name, k, "none", **setting)
    return fingerprint(loss, loss.target, loss.views or 2, partial(_points, loss.views, k))


def _points(views: int, k: int) -> list[tuple[Tensor, Tensor]]:
    """New batches: logits of three sizes, or embeddings of two."""
    g = torch.Generator().manual_seed(SEED)
    shape = (views, 8, FEATURES) if views else (60, k)
    sizes = (0.7, 2.0) if views else (0.5, 2.0, 5.0)
    return [
        (
            size * torch.randn(shape, generator=g, dtype=torch.float64),
            torch.randint(3 if views else k, shape[-2:-1], generator=g),
        )
        for size in sizes
    ]


def _point(name: str, setting: Setting) -> Point:
    """A loss and all its hyperparameters, those at their defaults among them."""
    defaults = {key: h.default for key, h in registry.get_card(name).hyperparameters.items()}
    return name, frozenset((defaults | dict(setting)).items())


def _limits(name: str) -> list[Limit]:
    """What a card says that a loss equals; nothing where there is no card, or a broken one."""
    try:
        return registry.get_card(name).limits if registry.has_card(name) else []
    except UserError:
        return []


def _told() -> Callable[[Point, Point], bool]:
    """Whether cards say under `limits` that two losses are equal, in one step or in several."""
    root: dict[Point, Point] = {}

    def find(point: Point) -> Point:
        while point in root:
            point = root[point]
        return point

    for name in registry.list_losses():
        for limit in _limits(name):
            if limit.tolerance <= EXACT and registry.has_card(limit.equals):
                one = find(_point(name, limit.when))
                other = find(_point(limit.equals, limit.and_there))
                if one != other:
                    root[one] = other
    return lambda one, other: find(one) == find(other)
