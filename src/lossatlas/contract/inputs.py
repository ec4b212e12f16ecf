"""Inputs for the laws: for any loss, legal batches, extreme ones, and hyperparameters."""

import inspect
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from mpmath import mpf
from torch import Tensor

import lossatlas
from lossatlas import cards, resources
from lossatlas.errors import UserError
from lossatlas.intervals import Interval
from lossatlas.losses import needs, registry
from lossatlas.losses.base import Loss
from lossatlas.losses.examples import batch, ready
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import labelled, lift

Settings = dict[str, Any]
DIMENSION = needs.FEATURES
CLASSES = 5  # of the labels of embeddings, and of logits unless said


def is_packaged(name: str) -> bool:
    """Whether the loss is the package's own, not a user's."""
    return registry.find(name).module.startswith("lossatlas.losses.")


def settings(card: cards.Card) -> list[Settings]:
    """The defaults, then each hyperparameter moved to both ends of its range and inside it."""
    found: list[Settings] = [{}]
    for key, hyperparameter in card.hyperparameters.items():
        points = _points(Interval.parse(hyperparameter.range))
        found += [{key: value} for value in points if value != hyperparameter.default]
    return found


def _points(interval: Interval) -> list[float]:
    """Both ends (a point just inside an open one, 100 for infinity) and one point between."""
    step = 1e-3 * min(1.0, interval.high - interval.low)
    low = interval.low + step * interval.low_open if interval.low > -torch.inf else -100.0
    high = interval.high - step * interval.high_open if interval.high < torch.inf else 100.0
    middle = low + 0.5 if high == 100.0 else (low + high) / 2
    return [low, float(round(middle)) if interval.whole else middle, high]


def make(name: str, reduction: str = "mean", k: int = CLASSES, /, **given: float) -> Loss:
    """The loss `name`, ready for k classes: what else it needs is made up.

    By position only, so that a hyperparameter may have any of these names.
    """
    return ready(name, k, reduction, **given)


def seeded(seed: int) -> torch.Generator:
    """A generator of its own, so that no test depends on another."""
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def every_target(kind: str, k: int) -> Tensor:
    """A few targets of each sort: all classes, and what lies between them."""
    classes = torch.arange(k)
    if kind == "distribution":
        between = torch.zeros(3, k, dtype=torch.float64)
        between[0] = 1 / k
        between[1, :2] = 0.5
        between[2] = 2.0 ** -(classes + 1)
        between[2, -1] *= 2
        return torch.cat([lift(classes, kind, k), between])
    single = labelled(kind, classes, k)
    return torch.cat([single, ~single]) if kind == "label_set" and k > 2 else single


def on_embeddings(card: cards.Card) -> bool:
    """Whether the loss is one of embeddings."""
    return KINDS[card.target].on_embeddings


def declared(name: str) -> Any:
    """What declares how the loss is fed: its class, of an expression the loss."""
    return registry.get_class(name) if name.isidentifier() else registry.get_loss(name)


def shape(card: cards.Card) -> dict[str, int]:
    """Views of a loss of embeddings, or outputs beyond one a class of a loss of logits."""
    cls: Any = declared(card.id)
    extra = int("extra_output" in cls.requires)
    return {"views": cls.views} if on_embeddings(card) else {"extra": extra}


def classes(card: cards.Card, inputs: Tensor) -> int:
    """Of how many classes inputs are."""
    return CLASSES if on_embeddings(card) else inputs.shape[1] - shape(card)["extra"]


def batch_of(
    card: cards.Card, n: int = 6, k: int = CLASSES, scale: float = 2.0, seed: int = 0
) -> tuple[Tensor, Tensor | None]:
    """A batch for the loss of a card; every other distribution has an impossible class."""
    normal = partial(torch.randn, generator=seeded(seed), dtype=torch.float64)
    inputs, target = batch(declared(card.id), n, k, normal)
    if card.target == "distribution" and target is not None:
        target[::2, 0] = 0
        target /= target.sum(1, keepdim=True)
    return _from_head(card, scale * inputs), target


def _from_head(card: cards.Card, inputs: Tensor) -> Tensor:
    """Inputs as the loss's head gives them: a `distance_head` gives minus distances, none above 0.

    Its rows are shifted until all distances are 0.5 at least, beyond the kink at 0.
    """
    if "distance_head" not in declared(card.id).requires:
        return inputs
    return inputs - inputs.amax(1, keepdim=True).relu() - 0.5


def extremes_of(card: cards.Card, size: float) -> tuple[Tensor, Tensor | None]:
    """Logits up to ±size crossed with every sort of target, so right and wrong; or long vectors.

    The vectors are nearly the corners of a simplex, so that all their similarities are negative.
    """
    k, own = CLASSES, shape(card)
    if "views" in own:
        noise, labels = batch_of(card, n=3, scale=0.05)
        corners = torch.arange(3 * own["views"]) % DIMENSION
        z = torch.eye(DIMENSION, dtype=torch.float64)[corners].view(noise.shape) + noise
        return size * (z - z.mean((0, 1))), labels
    extra = own["extra"]
    rows = torch.zeros(5, k + extra, dtype=torch.float64)
    rows[0, 0] = size
    rows[1, 0] = -size
    rows[2, 0], rows[2, 1:] = size, -size
    rows[3, :2], rows[3, 2:] = size, -size
    rows[4] = torch.linspace(-size, size, k + extra)
    targets = every_target(card.target, k)
    row, column = torch.meshgrid(torch.arange(5), torch.arange(len(targets)), indexing="ij")
    return _from_head(card, rows[row.flatten()]), targets[column.flatten()]


def wrong_of(card: cards.Card, size: float) -> tuple[Tensor, Tensor]:
    """One confident mistake: all the score on class 0, which the target does not want."""
    logits = torch.zeros(1, CLASSES + shape(card)["extra"], dtype=torch.float64)
    logits[0, 0] = size
    said = 0 if KINDS[card.target].names == "wrong" else 1
    return _from_head(card, logits), labelled(card.target, torch.tensor([said]), CLASSES)


def find_reference(name: str) -> Callable[..., Any] | None:
    """The function `reference` of the loss's reference file, or None where there is no file.

    Raises:
        UserError: the file cannot be run, or defines no function `reference`.
    """
    entry = registry.index().get(name)
    path = entry and resources.reference(entry.code)
    return _load_reference(path) if path and path.is_file() else None


@cache
def _load_reference(path: Path) -> Callable[..., Any]:
    module = registry.load_file(f"lossatlas_reference_{path.stem}", path)
    if not callable(function := getattr(module, "reference", None)):
        raise UserError(f"{path}: defines no function 'reference'")
    return function


def reference_values(name: str, inputs: Tensor, target: Tensor | None, given: Settings) -> Tensor:
    """The reference's values, computed in many digits and rounded to float64 once."""
    function = find_reference(name)
    assert function is not None
    card = lossatlas.get_card(name)
    stated = {key: h.default for key, h in card.hyperparameters.items()} | given
    exact = {key: mpf(value) for key, value in stated.items()}
    loss = make(name, "none", classes(card, inputs), **given)
    exact |= _besides(loss, function, inputs)
    rows = _mpf(inputs.tolist())
    targets = None if target is None else [_plain(y) for y in target.tolist()]
    if loss.kind.on_embeddings or loss.per == "batch":
        values = function(rows, targets, **exact)
    else:
        assert targets is not None
        values = [function(s, y, **exact) for s, y in zip(rows, targets, strict=True)]
    found = float(values) if loss.per == "batch" else [float(value) for value in values]
    return torch.tensor(found, dtype=torch.float64)


def _besides(loss: Loss, function: Callable[..., Any], inputs: Tensor) -> dict[str, Any]:
    """What a reference names beyond hyperparameters: needs (of one sample), buffers, weights.

    Every fact and moment that the loss needs is handed over; of what it owns, what is named.
    """
    owned = loss.state_dict()
    moments = loss.moments(inputs)
    found = {**loss.facts, **moments}
    if loss.per == "sample":  # what has a row a sample has the same for each
        twice = loss.moments(torch.cat([inputs, inputs], -2))
        for key, value in moments.items():
            if isinstance(value, Tensor) and value.shape[:1] != twice[key].shape[:1]:
                found[key] = value[0]
    found |= {k: owned[k] for k in inspect.signature(function).parameters if k in owned}
    return {key: _mpf(v.tolist()) if isinstance(v, Tensor) else v for key, v in found.items()}


def _plain(y: int | list[float] | list[bool]) -> int | list[mpf] | set[int]:
    if isinstance(y, int):
        return y
    return {k for k, inside in enumerate(y) if inside} if isinstance(y[0], bool) else _mpf(y)


def _mpf(values: Any) -> Any:
    if isinstance(values, list):
        return [_mpf(value) for value in values]
    return values if isinstance(values, int) else mpf(values)
