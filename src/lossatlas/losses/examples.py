"""Executes the worked examples of a card; the tests and the report both read the outcome."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossatlas import cards
from lossatlas.cards import EMBEDDING_TARGETS, Card, Example
from lossatlas.errors import UserError
from lossatlas.losses import quantities
from lossatlas.losses.base import Loss
from lossatlas.losses.registry import get_card, get_class, get_loss


class Outcome(NamedTuple):
    """What one example says and what the code gives; `error` is the largest absolute deviation.

    `printed` is the number a source prints instead, where the source is wrong.
    """

    says: str
    source: str
    expected: float | list[float]
    measured: float | list[float]
    error: float
    passed: bool
    printed: float | None


def run_examples(card: Card) -> list[Outcome]:
    """Run every example of `card` in float64, in the card's order.

    A loss whose `value` is a list is compared sample by sample (or anchor by anchor), one whose
    value is a number by its mean.

    Raises:
        UserError: an example lacks a target, or names an illegal hyperparameter.
        ValueError: an example's input is not what the loss is defined on.
    """
    return [_run(card, example) for example in card.examples]


def faults(name: str) -> list[str]:
    """Where the code of a loss is not what its card states, a sentence each.

    Names and defaults of the hyperparameters, target, needs, worked examples; limits and properties
    are for the checker.
    """
    card = get_card(name)
    return [*cards.differences(card, get_class(name)), *faulty_examples(card)]


def faulty_examples(card: Card) -> list[str]:
    """The examples whose value the code does not give, a sentence each; empty if it gives all.

    An example is wrong, too, whose `printed` number is what the code gives after all.
    """
    found = []
    for example in card.examples:
        says = f"example {example.says!r}: the card says {_short(example.value)}, the code "
        try:
            outcome = _run(card, example)
        except ValueError as error:
            found.append(f"{says}cannot be run: {error}")
            continue
        if not outcome.passed:
            off = f"{outcome.error:.2g} off where {example.tolerance:g} is allowed"
            found.append(f"{says}gives {_short(outcome.measured)}, {off}")
        elif (printed := example.printed) is not None and not (
            isinstance(outcome.measured, float)
            and abs(printed - outcome.measured) > example.tolerance
        ):
            found.append(f"{says}gives what is said to be a misprint, {printed:g}")
    return found


def _short(value: float | list[float]) -> str:
    numbers = value if isinstance(value, list) else [value]
    return ", ".join(f"{number:.6g}" for number in numbers)


def long_tail(num_classes: int) -> list[float]:
    """Class counts for trying out a loss that requires them: each class is half the one before."""
    return [10.0 * 2 ** (num_classes - 1 - k) for k in range(num_classes)]


def ready(name: str, num_classes: int, reduction: str = "none", **hyperparameters: Any) -> Loss:
    """`get_loss`, with the class counts of `long_tail` for a loss that requires them.

    Raises:
        UserError: as `get_loss`.
    """
    loss = get_loss(name, reduction, **hyperparameters)
    needs = "class_counts" in loss.requires
    return loss.provide(class_counts=long_tail(num_classes) if needs else None)


def lift(target: Tensor, kind: str, num_classes: int) -> Tensor:
    """Class indices (N,) int64 as the target of type `kind` that means the same.

    A distribution becomes one-hot (N, K) float64, a label set one-element (N, K) bool; class
    indices and the labels of embeddings stay as they are.

    Raises:
        ValueError: `kind` cannot express a known class.
    """
    if kind == "distribution":
        return quantities.one_hot(target, num_classes).double()
    if kind == "label_set":
        return quantities.one_hot(target, num_classes)
    if kind in ("class_index", *EMBEDDING_TARGETS):
        return target
    raise ValueError(f"a class index cannot be written as a target of type {kind!r}")


def _run(card: Card, example: Example) -> Outcome:
    try:
        measured = _measure(card, example)
    except ValueError:
        raise
    except (Exception, SystemExit) as trouble:
        says = f"the code raises {type(trouble).__name__}: {trouble}"
        raise UserError(f"card {card.id}, example {example.says!r}: {says}") from trouble
    expected = torch.tensor(example.value, dtype=torch.float64)
    if measured.shape != expected.shape:
        raise UserError(
            f"card {card.id}, example {example.says!r}: field 'value' has shape "
            f"{list(expected.shape)}, the {example.quantity} has {list(measured.shape)}"
        )
    error = (measured - expected).abs().max().item()
    return Outcome(
        example.says, example.source, example.value, measured.tolist(),
        error, error <= example.tolerance, example.printed,
    )  # fmt: skip


def _measure(card: Card, example: Example) -> Tensor:
    given = example.embeddings if example.logits is None else [example.logits]
    inputs = torch.tensor(given, dtype=torch.float64)
    if example.quantity == "logsumexp":
        return quantities.logsumexp(inputs)[0]
    if example.quantity == "softmax":
        return quantities.softmax(inputs)[0]
    target = _target(card, example)
    if target is None and (example.quantity == "margin" or card.target != "two_view"):
        raise UserError(f"card {card.id}, example {example.says!r}: field 'target' is missing")
    if target is not None and example.quantity == "margin":
        return quantities.margin(inputs, target)[0]
    reduction = "none" if isinstance(example.value, list) else "mean"
    loss = get_loss(card.id, reduction, **example.hyperparameters)
    return loss.provide(class_counts=example.class_counts)(inputs, target)


def _target(card: Card, example: Example) -> Tensor | None:
    y = example.target
    if y is None:
        return None
    if isinstance(y, int):
        return torch.tensor([y])
    if card.target in EMBEDDING_TARGETS:
        return torch.tensor(y).long()
    if card.target == "label_set" and example.logits is not None:
        classes = range(len(example.logits))
        if not set(y) <= set(classes):
            raise UserError(
                f"card {card.id}, example {example.says!r}: field 'target' holds {y}, "
                f"but the classes are 0 to {len(classes) - 1}"
            )
        return torch.tensor([[k in y for k in classes]])
    return torch.tensor([y], dtype=torch.float64)
