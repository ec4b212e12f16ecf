"""The laws: functions of a card and of one case of it, which raise AssertionError if it is broken.

`LAWS` maps a law's name to the function and to the cases that a card gives it, by their ids.
No law rests on a bare `assert`, which Python drops under -O.
"""

import copy
import itertools
import math
import pickle
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossatlas import cards
from lossatlas.cards import Card
from lossatlas.contract.inputs import (
    CLASSES,
    Settings,
    batch_of,
    classes,
    declared,
    every_target,
    extremes_of,
    find_reference,
    is_packaged,
    make,
    on_embeddings,
    reference_values,
    seeded,
    settings,
    shape,
    wrong_of,
)
from lossatlas.intervals import Interval
from lossatlas.losses import needs, registry
from lossatlas.losses.base import EmbeddingLoss, Loss
from lossatlas.losses.examples import faulty_examples
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import lift
from lossatlas.theory import records
from lossatlas.theory.exact import DIGITS

Cases = Callable[[Card], dict[str, tuple[Any, ...]]]


class Law(NamedTuple):
    """A law and the arguments, beside the card, of each of its cases."""

    check: Callable[..., None]
    cases: Cases


LAWS: dict[str, Law] = {}


def law(cases: Cases) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a law; its name is the law's."""

    def register(check: Callable[..., None]) -> Callable[..., None]:
        LAWS[check.__name__] = Law(check, cases)
        return check

    return register


# ----------------------------------------------------------------------------------------- cases


def with_partners(card: Card) -> bool:
    """Whether the loss is one of several views."""
    return on_embeddings(card) and shape(card)["views"] > 1


def once(card: Card) -> dict[str, tuple[Any, ...]]:
    """One case."""
    return {"": ()}


def each_setting(card: Card) -> dict[str, tuple[Any, ...]]:
    """The defaults, and each hyperparameter at both ends of its range and inside it."""
    return {setting_id(given): (given,) for given in settings(card)}


def each_hyperparameter(card: Card) -> dict[str, tuple[Any, ...]]:
    """Each keyword of the constructor."""
    return {key: (key,) for key in card.hyperparameters}


def times(cases: Cases, *values: Any) -> Cases:
    """Each case with each of these values."""
    return lambda card: {
        f"{case}-{str(value).removeprefix('torch.')}".strip("-"): (*arguments, value)
        for case, arguments in cases(card).items()
        for value in values
    }


def where(holds: Callable[[Card], bool], cases: Cases) -> Cases:
    """No case unless the card is of that kind."""
    return lambda card: cases(card) if holds(card) else {}


def setting_id(given: Settings) -> str:
    """`q=0.5`."""
    return "-".join(f"{key}={value:g}" for key, value in given.items())


def with_reference(card: Card) -> bool:
    """Whether the paper's formula stands there a second time."""
    return find_reference(card.id) is not None


def unbounded_on_logits(card: Card) -> bool:
    """A bounded loss of logits has to flatten out; of all others a mistake must get a gradient.

    One whose facts decide whether it is bounded ("unknown") may do either.
    """
    claim = card.properties.get("bounded")
    return not on_embeddings(card) and (claim is None or claim.value is False)


# --------------------------------------------------------------------------------------- helpers


def ensure(holds: bool | Tensor, otherwise: str) -> None:
    """Raise AssertionError with the sentence unless it holds."""
    if not holds:
        raise AssertionError(otherwise)


def close(ours: Any, theirs: Any, what: str, atol: float = 0.0, rtol: float = 0.0) -> None:
    """Raise AssertionError unless two tensors are equal within the tolerances, NaN never being."""
    torch.testing.assert_close(
        ours, theirs, atol=atol, rtol=rtol,
        msg=lambda says: f"{what}: {' '.join(says.split())}",
    )  # fmt: skip


def refused(pattern: str, call: Callable[[], Any]) -> None:
    """Raise AssertionError unless the call raises a ValueError whose words fit the pattern."""
    try:
        call()
    except ValueError as error:
        ensure(
            re.search(pattern, str(error)) is not None,
            f"is refused in other words than {pattern!r}: {error}",
        )
    else:
        raise AssertionError(f"is not refused; expected a ValueError with {pattern!r}")


def values(
    card: Card, inputs: Tensor, target: Tensor | None, given: Settings | None = None, **moments: Any
) -> Tensor:
    """Per-sample values, with stand-ins for the moments that are not given."""
    loss = make(card.id, "none", classes(card, inputs), **(given or {}))
    return loss(inputs, target, **moments)


def per(card: Card) -> str:
    """What a value of the loss belongs to."""
    of: str = declared(card.id).per
    return of


def gradient(loss: Loss, inputs: Tensor, target: Tensor | None) -> Tensor:
    """Gradient of the summed values in the inputs."""
    return with_gradient(loss, inputs, target)[1]


def with_gradient(loss: Loss, inputs: Tensor, target: Tensor | None) -> tuple[Tensor, Tensor]:
    """Values, and the gradient of their sum in the inputs."""
    leaf = inputs.clone().requires_grad_()
    out = loss(leaf, target)
    out.sum().backward()
    ensure(leaf.grad is not None, "the value does not depend on the inputs")
    assert leaf.grad is not None
    return out.detach(), leaf.grad


def fingerprint(card: Card, given: Settings | None = None, **moments: Any) -> Tensor:
    """Values at small and at large random inputs: some losses differ only at large ones.

    Of one sample that was seen before, and of samples with numbers of their own: some losses
    differ by what they remember, others compare samples with each other.
    """
    own = {"indices": torch.arange(50) % needs.SAMPLES}
    ways = [moments, own | moments] if "indices" in card.requires else [moments]
    return torch.cat(
        [
            values(card, *batch_of(card, n=50, scale=scale), given, **way).reshape(-1)
            for way in ways
            for scale in (2.0, 20.0)
        ]
    )


# ------------------------------------------------------------------------------- card and values


@law(once)
def card_agrees_with_code(card: Card) -> None:
    differences = cards.differences(card, registry.get_class(card.id))
    ensure(not differences, "; ".join(differences))
    ensure(not is_packaged(card.id) or not card.todo, "; ".join(card.todo))


@law(where(with_reference, each_setting))
def values_equal_the_reference(card: Card, given: Settings) -> None:
    batches = [batch_of(card), batch_of(card, k=2, seed=1)]
    for i, size in enumerate((20.0, 100.0, 1e4)):
        inputs, target = extremes_of(card, size)
        # Away from the defaults each pair of logits and target is met at one of the sizes.
        if given and target is not None and not on_embeddings(card):
            inputs, target = inputs[i::3], target[i::3]
        batches.append((inputs, target))
    for inputs, target in batches:
        ours = values(card, inputs, target, given)
        exact = reference_values(card.id, inputs, target, given)
        close(ours, exact, "code and reference differ", atol=1e-10, rtol=1e-14)


def slope_gap(values_at: Callable[[Tensor], Tensor], inputs: Tensor, seed: int) -> float:
    """How far autograd's slope lies from the difference quotient, in units of what is allowed.

    Along a random direction of all inputs at once, of a random sum of the values: no wrong entry of
    the gradient is orthogonal to both, and it takes three evaluations, not two an input.
    """
    leaf = inputs.clone().requires_grad_()
    out = values_at(leaf)
    g = seeded(1000 + seed)  # not that of the inputs: along themselves, many values stand still
    toward = torch.randn(inputs.shape, generator=g, dtype=torch.float64)
    weight = 0.5 + torch.rand(out.shape, generator=g, dtype=torch.float64)
    (steep,) = torch.autograd.grad((weight * out).sum(), leaf)
    step = 2e-6
    with torch.no_grad():
        ahead, behind = values_at(inputs + step * toward), values_at(inputs - step * toward)
    quotient = (weight * (ahead - behind)).sum() / (2 * step)
    slope = (steep * toward).sum()
    rounding = 1e-15 * float((weight * out).detach().abs().sum()) / step
    return float((slope - quotient).abs()) / (1e-5 * (1 + float(slope.abs())) + rounding)


@law(where(lambda card: not card.gradient, each_setting))
def gradient_is_that_of_the_value(card: Card, given: Settings) -> None:
    loss = make(card.id, "none", **given)
    for seed in range(4):
        inputs, target = batch_of(card, scale=1.0, seed=seed)
        gap = slope_gap(partial(loss, target=target), inputs, seed)
        ensure(gap <= 1, f"the slope is {gap:.3g} times further from the values' than is allowed")


def _fresh(loss: Loss, target: Tensor | None, inputs: Tensor) -> Tensor:
    value: Tensor = copy.deepcopy(loss)(inputs, target)
    return value


@law(where(lambda card: bool(card.gradient), once))
def gradient_is_not_that_of_the_value(card: Card) -> None:
    # In training mode, each time from the same state: what is held fixed may be what has moved.
    loss = make(card.id, "none").train()
    gaps = []
    for scale in (1.0, 20.0):  # some hold fixed what acts at large scores alone
        inputs, target = batch_of(card, scale=scale)
        fresh = partial(_fresh, loss, target)
        gaps.append(slope_gap(fresh, inputs, 0))
    ensure(max(gaps) > 10, f"the card says that {card.gradient} is held fixed, yet nothing is")


@law(where(lambda card: per(card) == "sample", once))
def weight_multiplies_values_and_gradients(card: Card) -> None:
    inputs, target = batch_of(card)
    weight = torch.rand(inputs.shape[-2], generator=seeded(1), dtype=torch.float64)
    weight[0] = 0
    loss = make(card.id, "none")
    close(
        loss(inputs, target, weight=weight), weight * loss(inputs, target), "weighted values",
        atol=1e-12, rtol=1e-12,
    )  # fmt: skip
    steep = gradient(loss, inputs, target)
    leaf = inputs.clone().requires_grad_()
    loss(leaf, target, weight=weight).sum().backward()
    close(leaf.grad, weight[:, None] * steep, "weighted gradients", atol=1e-12, rtol=1e-12)
    mean = make(card.id)(inputs, target, weight=weight)
    each = weight * loss(inputs, target)
    close(mean, each.mean(), "weighted mean", atol=1e-12, rtol=1e-12)
    for wrong_weight in (weight[:-1], weight[None], weight > 0.5, -weight, weight / 0.0):
        refused("weight must", partial(loss, inputs, target, weight=wrong_weight))


@law(each_setting)
def reductions_agree(card: Card, given: Settings) -> None:
    inputs, target = batch_of(card)
    each = values(card, inputs, target, given)
    n, of = inputs.shape[-2], per(card)
    legal = {"sample": each.shape == (n,), "anchor": each.ndim == 1, "batch": each.shape == ()}
    ensure(legal[of], f"reduction none gives shape {tuple(each.shape)} for {n} samples, per {of}")
    for reduction, expected in (("mean", each.mean()), ("sum", each.sum())):
        reduced = make(card.id, reduction, **given)(inputs, target)
        close(reduced, expected, f"reduction {reduction}", atol=1e-12, rtol=1e-12)


def each_limit(card: Card) -> dict[str, tuple[Any, ...]]:
    """Each special case that the card names."""
    return {
        f"{number}-{setting_id(limit.when)}-{limit.equals}".replace("--", "-"): (limit,)
        for number, limit in enumerate(card.limits)
    }


def each_shared_reduction(card: Card) -> dict[str, tuple[Any, ...]]:
    """Each limit in each reduction; by the mean alone if only one of the two is of the batch."""
    return {
        f"{case}-{reduction}": (limit, reduction)
        for case, (limit,) in each_limit(card).items()
        for reduction in ("mean", "sum", "none")
        if reduction == "mean"
        or (per(card) == "batch") == (registry.get_class(limit.equals).per == "batch")
    }


@law(each_shared_reduction)
def limits_hold(card: Card, limit: cards.Limit, reduction: str) -> None:
    exact = limit.tolerance <= 1e-9  # what is only approached strays at large scores
    for k, scale in itertools.product((2, 5), (1.0, 10.0, 1e3) if exact else (1.0, 10.0)):
        ours = make(card.id, reduction, k, **limit.when)
        # A value of the batch is compared with the mean of values of samples.
        theirs = "mean" if ours.per == "batch" else reduction
        other = make(limit.equals, theirs, k, **limit.and_there)
        inputs, target = batch_of(card, n=50, k=k, scale=scale)
        there = target
        if other.target != ours.target:
            labels = torch.randint(k, (50,), generator=seeded(k))
            target, there = lift(labels, ours.target, k), lift(labels, other.target, k)
        close(
            ours(inputs, target), other(inputs, there), f"is not {limit.equals}",
            atol=limit.tolerance, rtol=1e-12,
        )  # fmt: skip


@law(once)
def examples_hold(card: Card) -> None:
    found = faulty_examples(card)
    ensure(not found, "; ".join(found))


# ------------------------------------------------------------------------------------ properties


def each_property(card: Card) -> dict[str, tuple[Any, ...]]:
    """Each property that the card claims or denies, where properties are examined.

    That is where a value depends on one sample's scores of the classes alone, or on embeddings.
    """
    if not on_embeddings(card) and (per(card) == "batch" or shape(card)["extra"]):
        return {}
    return {
        f"{prop}={claim.value}": (prop, claim.value)
        for prop, claim in card.properties.items()
        if claim.value != "unknown"
    }


@law(each_property)
def properties_are_as_the_card_says(card: Card, prop: str, claimed: bool) -> None:
    (record,) = records.check(card.id, [prop])
    # A hinge's scores mean no probabilities: then there is nothing that could be proper.
    denied = ("refuted", "evidence_against", "not_applicable")
    legal = ("proved", "not_refuted") if claimed else denied
    # That the checker knows no form of a torch call is no fault of the loss.
    formless = record["verdict"] == "inconclusive" and f"{DIGITS}-digit form" in record["reason"]
    ensure(
        record["verdict"] in legal or formless,
        f"the card {'claims' if claimed else 'denies'} it, the verdict is {record['verdict']}: "
        f"{record['reason'] or record['method']}",
    )


@law(each_hyperparameter)
def hyperparameter_changes_the_value(card: Card, key: str) -> None:
    changes = []
    moments: list[dict[str, Any]] = [{}]
    if "progress" in card.requires:  # what acts on the last part of a run alone
        moments.append({"progress": 0.999})
    for moment in moments:
        default = fingerprint(card, **moment)
        changes += [
            (fingerprint(card, given, **moment) - default).abs().max().item()
            for given in settings(card)
            if key in given
        ]
    if "momentum_encoder" in card.requires:  # it may govern how the twin moves
        made = [
            make(card.id, **given) for given in ({}, *settings(card)) if key in given or not given
        ]
        paces = [loss.twin_keeps(0.5) for loss in made]
        changes += [abs(pace - paces[0]) for pace in paces]
    ensure(max(changes) > 1e-6, f"no legal value of {key} changes the loss or its twin")


@law(once)
def no_other_loss_is_the_same_function(card: Card) -> None:
    mine = fingerprint(card)
    for other in registry.list_losses():
        # Whether a user's loss is a packaged one in disguise is for `lossatlas nearest` to say.
        if is_packaged(other) != is_packaged(card.id) or other == card.id:
            continue
        theirs = _print_of_another(other)
        if theirs is None or theirs[0].target != card.target:
            continue
        if declared_equal(card, theirs[0]) or declared_equal(theirs[0], card):
            continue
        ensure(
            mine.shape != theirs[1].shape or not torch.allclose(mine.double(), theirs[1].double()),
            f"{other} has the same values, and neither card says so under limits",
        )


@cache
def _print_of_another(name: str) -> tuple[Card, Tensor] | None:
    """Card and fingerprint of a loss; None where it is broken, which its own laws tell."""
    try:
        card = registry.get_card(name)
        return card, fingerprint(card)
    except Exception:
        return None


def declared_equal(card: Card, other: Card) -> bool:
    """Whether a card says that both are one function at their defaults; `limits_hold` checks it."""

    def default(of: Card, given: Settings) -> bool:
        return all(of.hyperparameters[key].default == value for key, value in given.items())

    return any(
        limit.equals == other.id and default(card, limit.when) and default(other, limit.and_there)
        for limit in card.limits
    )


@law(where(lambda card: card.link == "own", each_setting))
def own_link_gives_probabilities(card: Card, given: Settings) -> None:
    for scale in (0.5, 5.0):
        inputs, _ = batch_of(card, n=50, scale=scale)
        log_p = make(card.id, **given).log_probabilities(inputs)
        ensure(log_p.shape == inputs.shape, f"log_probabilities gives shape {tuple(log_p.shape)}")
        close(log_p.exp().sum(1), torch.ones(50).to(log_p), "sums of probabilities", atol=1e-9)
        best = inputs.argmax(1)
        ensure(torch.equal(log_p.argmax(1), best), "the largest score has not the largest p")


# ------------------------------------------------------------------------------------- precision


@law(times(each_setting, torch.float32, torch.bfloat16, torch.float16))
def extreme_inputs_hold_in_low_precision(card: Card, given: Settings, dtype: torch.dtype) -> None:
    loss = make(card.id, "none", **given)
    for size in (20.0, 100.0, 1e4):
        inputs, target = extremes_of(card, size)
        rounded = inputs.clamp(-1e4, 1e4).to(dtype)
        ours, slope = with_gradient(loss, rounded, target)
        wide, steep = with_gradient(loss, rounded.double(), target)
        ensure(ours.dtype == torch.float32, f"gives {ours.dtype} for {dtype}, not float32")
        # Similarities of embeddings are rounded before they are divided by a temperature.
        tolerance = 1e-5 * wide.abs().max().item() if on_embeddings(card) else 1e-5
        close(ours.double(), wide, f"values at ±{size:g}", atol=tolerance, rtol=1e-5)
        close(
            slope.double(),
            steep.to(dtype).double(),  # a slope may lie beyond what the narrow type can hold
            f"gradients at ±{size:g}",
            atol=float(1e-6 + 0.01 * steep.abs().max()),
        )


@law(each_setting)
def autocast_does_not_change_the_value(card: Card, given: Settings) -> None:
    inputs, target = batch_of(card)
    loss = make(card.id, "none", **given)
    outside = loss(inputs.float(), target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(inputs.float(), target)
    ensure(inside.dtype == torch.float32, f"gives {inside.dtype} under autocast, not float32")
    ensure(torch.equal(inside, outside), "other values under autocast")


@law(where(unbounded_on_logits, each_setting))
def confident_mistake_has_a_gradient(card: Card, given: Settings) -> None:
    loss = make(card.id, "sum", **given)
    for size, dtype in itertools.product((20.0, 1e4), (torch.float64, torch.float32)):
        logits, target = wrong_of(card, size)
        steepest = gradient(loss, logits.to(dtype), target).abs().max()
        # What grows as a logarithm has no bound either, and its slope falls as 1 / size.
        ensure(
            steepest > 1e-4 / size,
            f"slope {steepest:.3g} at a mistake by {size:g} in {dtype}, where a loss that its card "
            f"does not call bounded (true, or unknown) has more than {1e-4 / size:g}",
        )


@law(where(with_partners, once))
def exchanged_partners_have_a_gradient(card: Card) -> None:
    z, labels = batch_of(card)
    exchanged = torch.stack([z[0].roll(v, 0) for v in range(len(z))])
    steepest = gradient(make(card.id), exchanged, labels).abs().max()
    ensure(steepest > 1e-4, f"slope {steepest:.3g} where each sample meets another's view")


# ---------------------------------------------------------------------------- degenerate batches


@law(where(lambda card: not on_embeddings(card), each_setting))
def degenerate_logits_give_finite_values(card: Card, given: Settings) -> None:
    logits, target = batch_of(card)
    assert target is not None
    one_class = every_target(card.target, 5)[:1].expand(6, *target.shape[1:])
    for says, (inputs, y) in {
        "one sample": (logits[:1], target[:1]),
        "one class": (logits, one_class),
        "scores of zero": (torch.zeros_like(logits), target),
        "equal large scores": (torch.full_like(logits, 1e4), target),
        "two classes": batch_of(card, k=2),
    }.items():
        loss = make(card.id, "none", classes(card, inputs), **given)
        each, slope = with_gradient(loss, inputs, y)
        legal = () if loss.per == "batch" else (len(inputs),)
        ensure(each.shape == legal, f"{says}: shape {tuple(each.shape)}")
        ensure(each.isfinite().all(), f"{says}: a value is not finite")
        ensure(slope.isfinite().all(), f"{says}: a slope is not finite")


@law(
    times(
        where(on_embeddings, each_setting),
        "zeros", "one zero", "identical", "duplicates", "opposite views", "too few",
    )
)  # fmt: skip
def degenerate_embeddings_are_finite_or_refused(card: Card, given: Settings, place: str) -> None:
    loss = make(card.id, "none", **given)
    assert isinstance(loss, EmbeddingLoss)
    z, labels = batch_of(card)
    one_zero = z.clone()
    one_zero[0, 0] = 0
    few = loss.min_batch - 1
    inputs = {
        "zeros": torch.zeros_like(z),
        "one zero": one_zero,
        "identical": z[:1, :1].expand_as(z),
        "duplicates": z[:, [0, 0, 1, 1, 2, 2]],
        "opposite views": torch.stack([(-1) ** v * z[0] for v in range(len(z))]),
        "too few": z[:, :few],
    }[place]
    if place == "too few":
        there = None if labels is None else labels[:few]
        refused("embeddings must hold", lambda: loss(inputs, there))
        return
    try:
        each = loss(inputs, labels)
    except ValueError:
        return
    ensure(each.isfinite().all(), "a value is not finite")
    ensure(gradient(loss, inputs, labels).isfinite().all(), "a slope is not finite")


# ----------------------------------------------------------------------------------- wrong input


def _row_sum(q: Tensor, total: float) -> Tensor:
    return torch.cat([q[:1] * total, q[1:]])


def _set(target: Tensor, where: object, value: float) -> Tensor:
    changed = target.clone()
    changed[where] = value  # type: ignore[index]
    return changed


Wrong = Callable[[Tensor, Tensor], tuple[Tensor | None, Tensor | None]]
WRONG_LOGITS: dict[str, Wrong] = {
    "empty batch": lambda s, y: (s[:0], y[:0]),
    "logits of rank 1": lambda s, y: (s[0], y[:1]),
    "logits of rank 3": lambda s, y: (s[None], y[None]),
    "integer logits": lambda s, y: (s.long(), y),
    "one class": lambda s, y: (s[:, :1], y),
    "no target": lambda s, y: (s, None),
    "target too short": lambda s, y: (s, y[:-1]),
    "target too long": lambda s, y: (s, torch.cat([y, y])),
    "target of another rank": lambda s, y: (s, y[None]),
    "complex target": lambda s, y: (s, y.to(torch.complex64)),
}
WRONG_TARGETS: dict[str, dict[str, Wrong]] = {
    "class_index": {
        "int32": lambda s, y: (s, y.int()),
        "float": lambda s, y: (s, y.double()),
        "bool": lambda s, y: (s, y.bool()),
        "distribution": lambda s, y: (s, lift(y, "distribution", s.shape[1])),
        "label -1": lambda s, y: (s, _set(y, 1, -1)),
        "label -100": lambda s, y: (s, _set(y, 1, -100)),
        "label K": lambda s, y: (s, _set(y, 1, s.shape[1])),
    },
    "distribution": {
        "indices": lambda s, y: (s, y.argmax(1)),
        "integers": lambda s, y: (s, (y > 0.5).long()),
        "too few classes": lambda s, y: (s, y[:, :-1]),
        "row below one": lambda s, y: (s, _row_sum(y, 0.999)),
        "row above one": lambda s, y: (s, _row_sum(y, 1.001)),
        "negative probability": lambda s, y: (s, _set(_set(y, (0, 0), -0.5), (0, 1), 1.5)),
        "NaN": lambda s, y: (s, _set(y, (0, 0), math.nan)),
        "infinite": lambda s, y: (s, _set(y, (0, 0), math.inf)),
    },
    "label_set": {
        "indices": lambda s, y: (s, y.int().argmax(1)),
        "integers": lambda s, y: (s, y.long()),
        "float": lambda s, y: (s, y.double()),
        "too few classes": lambda s, y: (s, y[:, :-1]),
        "empty set": lambda s, y: (s, _set(y, 2, False)),
        "every class": lambda s, y: (s, _set(y, 2, True)),
    },
}
WRONG_TARGETS["complementary"] = WRONG_TARGETS["class_index"]
WRONG_EMBEDDINGS: dict[str, Wrong] = {
    "no samples": lambda z, y: (z[:, :0], y[:0]),
    "embeddings of rank 2": lambda z, y: (z[0], y),
    "a view too few": lambda z, y: (z[:-1], y),
    "a view too many": lambda z, y: (torch.cat([z, z[:1]]), y),
    "integer embeddings": lambda z, y: (z.long(), y),
    "no dimension": lambda z, y: (z[..., :0], y),
    "labels too short": lambda z, y: (z, y[:-1]),
    "labels of rank 2": lambda z, y: (z, y[None]),
    "float labels": lambda z, y: (z, y.double()),
}
NO_LABELS: dict[str, Wrong] = {"no labels": lambda z, y: (z, None)}
WRONG = {kind: WRONG_LOGITS | wrong_targets for kind, wrong_targets in WRONG_TARGETS.items()}
WRONG |= {
    target: WRONG_EMBEDDINGS | ({} if kind.names == "nothing" else NO_LABELS)
    for target, kind in KINDS.items()
    if kind.on_embeddings
}


def each_mistake(card: Card) -> dict[str, tuple[Any, ...]]:
    """Each way to call a loss wrongly."""
    return {mistake: (spoil,) for mistake, spoil in WRONG[card.target].items()}


@law(each_mistake)
def wrong_argument_is_refused(card: Card, spoil: Wrong) -> None:
    inputs, target = batch_of(card)
    legal = torch.arange(inputs.shape[1]) // 2 if target is None else target
    loss = make(card.id)
    loss(inputs, legal)
    fields = "logits|target|embeddings|labels|class_counts|num_classes|transition"
    refused(rf"^({fields}) (rows )?(must|are)", lambda: loss(*spoil(inputs, legal)))


@law(each_hyperparameter)
def hyperparameter_outside_its_range_is_refused(card: Card, key: str) -> None:
    def build(value: Any) -> Loss:
        return registry.get_loss(card.id, **{key: value})

    interval = Interval.parse(card.hyperparameters[key].range)
    outside: list[Any] = [math.nan, math.inf, -math.inf, "0.5", True]
    for end, is_open, away in (
        (interval.low, interval.low_open, -math.inf),
        (interval.high, interval.high_open, math.inf),
    ):
        if is_open or math.isinf(end):
            outside.append(end)
        else:
            outside.append(math.nextafter(end, away))
            build(end)
    if interval.whole:
        outside.append(card.hyperparameters[key].default + 0.5)
    for value in outside:
        refused(f"{key} must be a (whole )?number in", partial(build, value))


def each_need(sort: str) -> Cases:
    """Each fact, or each moment, that the loss needs."""
    return lambda card: {word: (word,) for word in card.requires if needs.NEEDS[word].sort == sort}


@law(each_need("fact"))
def facts_are_asked_for(card: Card, fact: str) -> None:
    inputs, target = batch_of(card)
    bare = registry.get_loss(card.id)
    bare.tried_out = True
    refused(f"{fact}.* needed by this loss", lambda: bare(inputs, target))
    if fact in ("num_classes", "class_counts", "transition") and not on_embeddings(card):
        loss = make(card.id, "mean", 3)
        refused(f"(num_classes|class_counts|transition) must be of the {CLASSES} classes",
                lambda: loss(inputs, target))  # fmt: skip
    for illegal in ([1.0], [1.0, 0.0], [1.0, math.nan], [[1.0, 2.0], [1.0, 0.0]], 0, -1, True):
        refused(f"{fact} must be", partial(bare.provide, **{fact: illegal}))


@law(each_need("moment"))
def moments_are_asked_for(card: Card, moment: str) -> None:
    if moment not in declared(card.id).moment_names:
        return  # it is `end_epoch` that wants it
    inputs, target = batch_of(card)
    loss = make(card.id)
    loss.tried_out = False
    given = {key: value for key, value in make(card.id).moments(inputs).items() if key != moment}
    refused(f"{moment}.* must be given", lambda: loss(inputs, target, **given))


@law(once)
def without_value_checks_the_value_is_the_same(card: Card) -> None:
    inputs, target = batch_of(card)
    loss = make(card.id)
    checked = loss(inputs, target)
    loss.validate = False
    ensure(torch.equal(loss(inputs, target), checked), "validate = False changes the value")


# ---------------------------------------------------------------------------------- side effects

MODES = {
    "enable_grad": torch.enable_grad, "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}  # fmt: skip


@law(times(once, *MODES))
def forward_changes_nothing_around_it(card: Card, mode: str) -> None:
    inputs, target = batch_of(card)
    inputs_before, target_before = copy.deepcopy((inputs, target))
    random_state = torch.get_rng_state()
    loss = make(card.id)
    state = copy.deepcopy(loss.state_dict())
    with MODES[mode]():
        enabled = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        loss(inputs, target)
        after = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    ensure(after == enabled, "the gradient mode is another afterwards")
    ensure(torch.equal(torch.get_rng_state(), random_state), "it draws random numbers")
    ensure(torch.equal(inputs, inputs_before), "it writes into its inputs")
    close(target, target_before, "it writes into its target")
    close(loss.state_dict(), state, "it changes its own state")


@law(each_setting)
def copies_give_the_same_value(card: Card, given: Settings) -> None:
    inputs, target = batch_of(card)
    loss = make(card.id, "sum", **given)
    value = loss(inputs, target)
    for copied in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        ensure(torch.equal(copied(inputs, target), value), "a copy gives another value")
