"""Scenarios: what is done to the training labels or images; one is one file here, and all of it.

The first paragraph of a file's docstring is the sentence that reports print. Beside it, all of it
optional:

    @dataclass
    class Parameters:             # with legal values and defaults, as in `lossatlas.legal`
        share: float = number("[0, 1]", 0.4)

    NEEDS = ("cat", "dog")        # classes that the data must have

    def rows(labels, classes, generator, *, share) -> Tensor           # which images stay
    def targets(labels, kind, classes, generator, *, share) -> Tensor  # what a loss is told

Parameters are fields of the configuration, `scenario.<parameter>`, and of the rows of runs. Labels
are the true ones, (N,) int64 on the CPU, `classes` the names of all K classes, `kind` the target
type of the loss (see `lift`). The generator is seeded by the run's seed and the scenario's name
alone, so losses compared at one seed see the same labels and images. Test labels are untouched.
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import make_dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Generator, Tensor

from lossatlas import legal
from lossatlas.data.described import names, says
from lossatlas.errors import UserError
from lossatlas.losses import targets as rules
from lossatlas.losses.kinds import KINDS
from lossatlas.seeds import derive

__all__ = ["names", "says"]  # from where torch is not needed


def find(name: str) -> ModuleType:
    """The file of a scenario; raises UserError when there is none."""
    if name not in names():
        raise UserError(f"there is no scenario {name!r}; legal: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def schema(name: str) -> type:
    """A dataclass of the scenario's name and parameters; raises UserError as `find` does."""
    own = getattr(find(name), "Parameters", object)
    return make_dataclass(name, [("name", str, legal.choice(name, default=name))], bases=(own,))


def check(conf: Mapping[str, Any], classes: Sequence[str], data: str) -> None:
    """Raise UserError unless a configuration is one of a scenario that the data have classes for.

    `conf` has the scenario's name and parameters, `data` is the name of the data set.
    """
    legal.check(schema(conf["name"]), conf, "scenario.")
    needs = getattr(find(conf["name"]), "NEEDS", ())
    if missing := [name for name in needs if name not in classes]:
        raise UserError(
            f"scenario {conf['name']} is about the classes {', '.join(needs)}, but data {data} has "
            f"no class {missing[0]!r}; its classes are {some(classes)}"
        )


def rows(conf: Mapping[str, Any], labels: Tensor, classes: Sequence[str], seed: int) -> Tensor:
    """Rows (M,) int64, ascending, of the training images that stay, for true labels (N,) int64.

    Raises:
        UserError: the scenario cannot be had of these labels.
    """
    return _call("rows", lambda *_, **__: torch.arange(len(labels)), conf, seed, labels, classes)


def targets(
    conf: Mapping[str, Any], labels: Tensor, kind: str, classes: Sequence[str], seed: int
) -> Tensor:
    """Training targets of the type `kind` for true labels (N,) int64; see `lift` for their shapes.

    Raises:
        UserError: the scenario gives no targets of this type.
    """
    as_they_are = lambda *_, **__: lift(labels, kind, len(classes))  # noqa: E731
    return _call("targets", as_they_are, conf, seed, labels, kind, classes)


def _call(
    function: str, default: Callable[..., Tensor], conf: Mapping[str, Any], seed: int, *data: Any
) -> Tensor:
    """What the scenario's file says of the data, else the default."""
    name, parameters = conf["name"], {k: v for k, v in conf.items() if k != "name"}
    generator = Generator().manual_seed(derive(seed, name))
    found: Callable[..., Tensor] = getattr(find(name), function, default)
    try:
        return found(*data, generator, **parameters)
    except UserError as error:
        raise UserError(f"scenario {name}: {error}") from None


def lift(labels: Tensor, kind: str, num_classes: int) -> Tensor:
    """As `losses.targets.lift`, with distributions as float32.

    Raises:
        UserError: `kind` is `complementary`, a class that is wrong.
    """
    if KINDS[kind].names == "wrong":
        raise UserError("it gives no complementary labels, and the loss takes no others")
    target = rules.lift(labels, kind, num_classes)
    return target.float() if target.is_floating_point() else target


def by_class(labels: Tensor, num_classes: int, generator: Generator) -> list[Tensor]:
    """The rows of each class of labels (N,) int64, each shuffled: a share of them is a random one,
    and a larger share holds every smaller one."""
    found = []
    for k in range(num_classes):
        rows = (labels == k).nonzero().flatten()
        found.append(rows[torch.randperm(len(rows), generator=generator)])
    return found


def partly(
    share: float, other: Tensor, labels: Tensor, num_classes: int, generator: Generator
) -> Tensor:
    """Labels (N,) int64, of which this share of each class, rounded down, is as in `other` (N,)."""
    found = labels.clone()
    for rows in by_class(labels, num_classes, generator):
        chosen = rows[: floor(share * len(rows))]
        found[chosen] = other[chosen]
    return found


def floor(x: float) -> int:
    """The floor of what `x` is up to rounding: 0.29 * 100 is 28.999999999999996 in floats."""
    return math.floor(x + 1e-9)


def some(names: Sequence[str]) -> str:
    """The first ten names."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
