"""Executes the worked examples of a card; the tests and the report both read the outcome."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossatlas import cards
from lossatlas.cards import Card, Example
from lossatlas.errors import UserError
from lossatlas.losses import needs, quantities
from lossatlas.losses.base import Composite, Loss
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.registry import get_card, get_class, get_loss
from lossatlas.losses.targets import pairs


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

    Names and defaults of the hyperparameters, target, needs, worked examples, and whether a limit
    names a loss that it can equal; whether it does, and properties, are for the checker.
    """
    card = get_card(name)
    differences = cards.differences(card, get_class(name))
    return [*differences, *faulty_examples(card), *faulty_limits(card)]


def faulty_limits(card: Card) -> list[str]:
    """The limits that no loss can keep, a sentence each: the other one is not there, refuses the
    values that the card gives it, or is fed otherwise."""
    found = []
    for limit in card.limits:
        try:
            other = get_loss(limit.equals, "mean", **limit.and_there).kind
        except UserError as error:
            found.append(f"limit {limit.equals!r}: {error}")
            continue
        kind = KINDS[card.target]
        if (kind.inputs, kind.names == "wrong") != (other.inputs, other.names == "wrong"):
            found.append(f"limit {limit.equals!r}: that loss takes other inputs or targets")
    return found


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


def ready(name: str, num_classes: int, reduction: str = "none", /, **hyperparameters: Any) -> Loss:
    """`get_loss`, set up from stand-ins (see `needs`) so that (inputs, target) is all it wants.

    In eval mode, where buffers stand still; those that move in training have moved for a few
    made-up steps and one epoch's end, so that they are not at their first values. The loss's
    numbers are float64.

    Raises:
        UserError: as `get_loss`.
    """
    loss = get_loss(name, reduction, **hyperparameters)
    facts = {word: needs.NEEDS[word].stand_in for word in loss.requires}
    if not facts and not any(True for _ in loss.buffers()):
        loss.double().tried_out = True  # nothing is drawn
        return loss.eval()
    with torch.random.fork_rng(devices=[]):
        # `torch.manual_seed` would keep a traceback for each device that is not there, 1 ms a call.
        on_cpu = torch.get_default_device().type == "cpu"
        (torch.default_generator if on_cpu else torch).manual_seed(0)
        loss.provide(**{word: make(num_classes) for word, make in facts.items() if make is not None
                        and needs.NEEDS[word].sort == "fact"})  # fmt: skip
        loss.double().tried_out = True
        if any(not _is_fact(loss, key) for key, _ in loss.named_buffers()):
            _live(loss, num_classes)
    return loss.eval()


def _is_fact(loss: Loss, buffer: str) -> bool:
    return buffer.rpartition(".")[2] in loss.requires


def batch(
    loss: Loss | type[Loss], n: int, k: int, normal: Callable[[tuple[int, ...]], Tensor]
) -> tuple[Tensor, Tensor | None]:
    """A legal batch of n samples of k classes: random inputs, each class by turns.

    Logits (n, k + extra outputs), or views (V, n, FEATURES) and two samples a class in turn; label
    sets hold 1 to k - 1 classes. `normal` draws standard normal numbers of a shape, float64.
    """
    samples = torch.arange(n)
    if loss.views:
        labels = pairs(loss.target, n)
        z = normal((loss.views, n, needs.FEATURES))
        return z, None if labels is None else labels % k
    logits = normal((n, k + ("extra_output" in loss.requires)))
    if loss.target == "distribution":
        return logits, torch.softmax(2 * normal((n, k)), 1)
    if loss.target == "label_set":
        sizes = 1 + samples % (k - 1)
        return logits, (torch.arange(k) - samples[:, None]) % k < sizes[:, None]
    return logits, samples % k


def _live(loss: Loss, k: int) -> None:
    """Let a loss with state see three batches and the end of an epoch."""
    loss.train()
    for _ in range(3):
        inputs, target = batch(loss, 4 * k, k, partial(torch.randn, dtype=torch.float64))
        with torch.no_grad():
            loss(2 * inputs, target)
    words = tuple(needs.NEEDS) if isinstance(loss, Composite) else needs.keywords(loss.end_epoch)
    given: dict[str, Any] = {}
    for word in words:
        make = needs.NEEDS[word].stand_in
        if make is not None:
            fact = needs.NEEDS[word].sort == "fact"
            given[word] = make(k) if fact else make(torch.zeros(1, k), k)
    loss.end_epoch(**given)


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
    given = example.embeddings if example.logits is None else example.logits
    inputs = torch.tensor(given, dtype=torch.float64)
    if example.logits is not None and inputs.ndim == 1:  # one sample
        inputs = inputs[None]
    if example.quantity == "logsumexp":
        return quantities.logsumexp(inputs)[0]
    if example.quantity == "softmax":
        return quantities.softmax(inputs)[0]
    target, kind = _target(card, example), KINDS[card.target]
    if target is None and (example.quantity == "margin" or kind.names != "nothing"):
        raise UserError(f"card {card.id}, example {example.says!r}: field 'target' is missing")
    if target is not None and example.quantity == "margin":
        return quantities.margin(inputs, target)[0]
    reduction = "none" if isinstance(example.value, list) else "mean"
    loss = get_loss(card.id, reduction, **example.hyperparameters)
    besides = {"class_counts": example.class_counts, **example.given}
    sorts = {key: needs.NEEDS[key].sort if key in needs.NEEDS else "state" for key in besides}
    loss.provide(**{key: value for key, value in besides.items() if sorts[key] == "fact"})
    loss.double().eval()
    state = {**dict(loss.named_buffers()), **dict(loss.named_parameters())}
    for key in (key for key, sort in sorts.items() if sort == "state"):
        if key not in state:
            known = ", ".join(state) or "none"
            raise UserError(
                f"card {card.id}, example {example.says!r}: field 'given' holds {key!r}, which is "
                f"no need and nothing that the loss owns; it owns: {known}"
            )
        value = torch.as_tensor(besides[key], dtype=state[key].dtype)
        with torch.no_grad():
            state[key].copy_(value.expand_as(state[key]))
    moments = {key: _moment(key, besides[key]) for key, sort in sorts.items() if sort == "moment"}
    return loss(inputs, target, **moments).detach()


def _moment(key: str, value: Any) -> Any:
    if key == "randomness":  # a card gives its seed
        return torch.Generator().manual_seed(value)
    if not isinstance(value, list):
        return value
    tensor = torch.tensor(value)
    return tensor.double() if tensor.is_floating_point() else tensor


def _target(card: Card, example: Example) -> Tensor | None:
    y = example.target
    if y is None:
        return None
    if isinstance(y, int):
        return torch.tensor([y])
    kind = KINDS[card.target]
    if kind.on_embeddings:
        return torch.tensor(y).long()
    many = example.logits is not None and isinstance(example.logits[0], list)
    rows: list[Any] = list(y) if many else [y]
    if not kind.several:
        return torch.tensor(rows)
    if card.target == "label_set" and example.logits is not None:
        first = example.logits[0]
        classes = range(len(first) if isinstance(first, list) else len(example.logits))
        for row in rows:
            if not set(row) <= set(classes):
                raise UserError(
                    f"card {card.id}, example {example.says!r}: field 'target' holds {row}, "
                    f"but the classes are 0 to {len(classes) - 1}"
                )
        return torch.tensor([[k in row for k in classes] for row in rows])
    return torch.tensor(rows, dtype=torch.float64)
