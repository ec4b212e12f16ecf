"""The contract of every registered loss, read from its card.

`lossatlas.list_losses()` decides what is tested, so a loss found through LOSSATLAS_PATH is tested
as the package's own are. Each test has the loss's name as its argument `name`; with `--record` the
losses that pass all of them go into the ledger.
"""

import copy
import itertools
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import lossatlas
from lossatlas import cards, resources
from lossatlas.intervals import Interval
from lossatlas.losses import registry
from lossatlas.losses.base import EmbeddingLoss, Loss
from lossatlas.losses.examples import lift, run_examples
from lossatlas.theory import records
from losses.inputs import (
    Settings,
    batch,
    card_or_none,
    every_target,
    extremes,
    find_reference,
    is_packaged,
    make,
    reference_values,
    seeded,
    settings,
    wrong,
)

NAMES = lossatlas.list_losses()
CARDS = {name: card for name in NAMES if (card := card_or_none(name)) is not None}
KIND = {name: card.target for name, card in CARDS.items()}
ON_EMBEDDINGS = [name for name in CARDS if KIND[name] in cards.EMBEDDING_TARGETS]
ON_LOGITS = [name for name in CARDS if name not in ON_EMBEDDINGS]


def _id(name: str, given: dict[str, float]) -> str:
    return "-".join([name, *(f"{key}={value:g}" for key, value in given.items())])


CASES = [
    pytest.param(name, given, id=_id(name, given))
    for name, card in CARDS.items()
    for given in settings(card)
]
LIMITS = [
    pytest.param(name, limit, id=f"{_id(name, limit.when)}-{limit.equals}")
    for name, card in CARDS.items()
    for limit in card.limits
]
PROPERTIES = [
    pytest.param(name, prop, claim.value, id=f"{name}-{prop}={claim.value}")
    for name, card in CARDS.items()
    for prop, claim in card.properties.items()
    if claim.value != "unknown"
]
HYPERPARAMETERS = [
    pytest.param(name, key, id=f"{name}-{key}")
    for name, card in CARDS.items()
    for key in card.hyperparameters
]


def values(name: str, inputs: Tensor, target: Tensor | None, **given: float) -> Tensor:
    """Per-sample values."""
    return make(name, "none", inputs.shape[-1], **given)(inputs, target)


def recorded(ledger: Path) -> dict[str, str]:
    """Digests of the verified losses by id."""
    return json.loads(ledger.read_text()) if ledger.is_file() else {}


def build(name: str, key: str, value: Any) -> Loss:
    """The loss with one hyperparameter set."""
    return lossatlas.get_loss(name, **{key: value})


def gradient(loss: Loss, inputs: Tensor, target: Tensor | None) -> Tensor:
    """Gradient of the summed values in the inputs."""
    leaf = inputs.clone().requires_grad_()
    loss(leaf, target).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


# ------------------------------------------------------------------------------ card and values


@pytest.mark.parametrize("name", NAMES)
def test_card_agrees_with_code(name: str) -> None:
    card = lossatlas.get_card(name)
    assert cards.differences(card, registry.get_class(name)) == []
    assert not is_packaged(name) or card.todo == []


@pytest.mark.parametrize(("name", "given"), CASES)
def test_values_equal_the_reference(name: str, given: Settings) -> None:
    if find_reference(name) is None:
        ledger = registry.find(name).ledger
        assert name not in recorded(ledger), f"{name} is in {ledger.name} but has no reference"
        pytest.skip(f"a draft: there is no tests/reference/{name}.py")
    for inputs, target in (
        batch(KIND[name]),
        batch(KIND[name], k=2, seed=1),
        *(extremes(KIND[name], size) for size in (20.0, 100.0, 1e4)),
    ):
        ours = values(name, inputs, target, **given)
        exact = reference_values(name, inputs, target, given)
        torch.testing.assert_close(ours, exact, atol=1e-10, rtol=1e-14)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_gradient_is_that_of_the_value(name: str, given: Settings) -> None:
    loss = make(name, "none", **given)
    for seed in range(2):
        inputs, target = batch(KIND[name], scale=1.0, seed=seed)
        torch.autograd.gradcheck(lambda x, t=target: loss(x, t), inputs.requires_grad_())


@pytest.mark.parametrize(("name", "given"), CASES)
def test_reductions_agree(name: str, given: Settings) -> None:
    inputs, target = batch(KIND[name])
    each = values(name, inputs, target, **given)
    assert each.ndim == 1
    assert name in ON_EMBEDDINGS or len(each) == len(inputs)
    for reduction, expected in (("mean", each.mean()), ("sum", each.sum())):
        reduced = make(name, reduction, **given)(inputs, target)
        torch.testing.assert_close(reduced, expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "limit"), LIMITS)
def test_limits(name: str, limit: cards.Limit, reduction: str) -> None:
    exact = limit.tolerance <= 1e-9  # what is only approached strays at large scores
    for k, scale in itertools.product((2, 5), (1.0, 10.0, 1e3) if exact else (1.0, 10.0)):
        ours = make(name, reduction, k, **limit.when)
        other = make(limit.equals, reduction, k, **limit.and_there)
        inputs, target = batch(ours.target, n=50, k=k, scale=scale)
        there = target
        if other.target != ours.target:
            labels = torch.randint(k, (50,), generator=seeded(k))
            target, there = lift(labels, ours.target, k), lift(labels, other.target, k)
        torch.testing.assert_close(
            ours(inputs, target), other(inputs, there), atol=limit.tolerance, rtol=1e-12
        )


@pytest.mark.parametrize("name", CARDS)
def test_examples(name: str) -> None:
    outcomes = run_examples(CARDS[name])
    for outcome, example in zip(outcomes, CARDS[name].examples, strict=True):
        assert outcome.passed, outcome
        if outcome.printed is not None:
            assert isinstance(outcome.measured, float)
            assert abs(outcome.printed - outcome.measured) > example.tolerance, outcome


# ----------------------------------------------------------------------------------- properties


@pytest.mark.parametrize(("name", "prop", "claimed"), PROPERTIES)
def test_property(name: str, prop: str, claimed: bool) -> None:
    (record,) = records.check(name, [prop])
    if claimed:
        assert record["verdict"] in ("proved", "not_refuted"), f"the card claims it; {record}"
    else:
        # A hinge's scores mean no probabilities: then there is nothing that could be proper.
        assert record["verdict"] in ("refuted", "not_applicable"), f"the card denies it; {record}"


@pytest.mark.parametrize(("name", "key"), HYPERPARAMETERS)
def test_hyperparameter_changes_the_value(name: str, key: str) -> None:
    changed = [given for given in settings(CARDS[name]) if key in given]
    default = fingerprint(name)
    changes = [(fingerprint(name, **given) - default).abs() for given in changed]
    assert max(change.max().item() for change in changes) > 1e-6


@pytest.mark.parametrize("name", CARDS)
def test_no_other_loss_is_the_same_function(name: str) -> None:
    mine = fingerprint(name)
    for other in CARDS:
        # Whether a user's loss is a packaged one in disguise is for `lossatlas nearest` to say.
        compared = is_packaged(other) == is_packaged(name)
        if not compared or other == name or KIND[other] != KIND[name]:
            continue
        if declared_equal(name, other) or declared_equal(other, name):
            continue
        theirs = fingerprint(other)
        assert mine.shape != theirs.shape or not torch.allclose(mine, theirs), other


def fingerprint(name: str, **given: float) -> Tensor:
    """Values at small and at large random inputs: some losses differ only at large ones."""
    return torch.cat(
        [values(name, *batch(KIND[name], n=50, scale=scale), **given) for scale in (2.0, 20.0)]
    )


def declared_equal(name: str, other: str) -> bool:
    """Whether the card says that both are one function at their defaults; test_limits checks it."""

    def default(of: str, given: dict[str, float]) -> bool:
        return all(CARDS[of].hyperparameters[key].default == v for key, v in given.items())

    return any(
        limit.equals == other and default(name, limit.when) and default(other, limit.and_there)
        for limit in CARDS[name].limits
    )


# ----------------------------------------------------------------------------------- precision


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("name", "given"), CASES)
def test_extreme_inputs_in_low_precision(name: str, given: Settings, dtype: torch.dtype) -> None:
    loss = make(name, "none", **given)
    for size in (20.0, 100.0, 1e4):
        inputs, target = extremes(KIND[name], size)
        rounded = inputs.clamp(-1e4, 1e4).to(dtype)
        ours = loss(rounded, target)
        wide = loss(rounded.double(), target)
        assert ours.dtype == torch.float32
        # Similarities of embeddings are rounded before they are divided by a temperature.
        tolerance = 1e-5 * wide.abs().max() if name in ON_EMBEDDINGS else 1e-5
        torch.testing.assert_close(ours.double(), wide, atol=float(tolerance), rtol=1e-5)
        steep = gradient(loss, rounded.double(), target)
        torch.testing.assert_close(
            gradient(loss, rounded, target).double(),
            steep.to(dtype).double(),  # a slope may lie beyond what the narrow type can hold
            atol=float(1e-6 + 0.01 * steep.abs().max()),
            rtol=0,
        )


@pytest.mark.parametrize(("name", "given"), CASES)
def test_autocast_does_not_change_the_value(name: str, given: Settings) -> None:
    inputs, target = batch(KIND[name])
    loss = make(name, "none", **given)
    outside = loss(inputs.float(), target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(inputs.float(), target)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)


@pytest.mark.parametrize(
    ("name", "given"),
    # A bounded loss of logits has to flatten out; of all others a mistake must get a gradient.
    [
        case for case in CASES
        if (name := str(case.values[0])) in ON_LOGITS
        and not ((claim := CARDS[name].properties.get("bounded")) and claim.value is True)
    ],
)  # fmt: skip
def test_confident_mistake_has_a_gradient(name: str, given: Settings) -> None:
    loss = make(name, "sum", **given)
    for size, dtype in itertools.product((20.0, 1e4), (torch.float64, torch.float32)):
        logits, target = wrong(KIND[name], size)
        assert gradient(loss, logits.to(dtype), target).abs().max() > 1e-4


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_exchanged_partners_have_a_gradient(name: str) -> None:
    z, labels = batch(KIND[name])
    exchanged = torch.stack([z[0], z[0].roll(1, 0)])
    assert gradient(make(name), exchanged, labels).abs().max() > 1e-4


# ----------------------------------------------------------------------------- degenerate batches


@pytest.mark.parametrize(("name", "given"), [c for c in CASES if c.values[0] in ON_LOGITS])
def test_degenerate_logits_give_finite_values(name: str, given: Settings) -> None:
    kind = KIND[name]
    logits, target = batch(kind)
    assert target is not None
    one_class = every_target(kind, 5)[:1].expand(6, *target.shape[1:])
    for inputs, y in (
        (logits[:1], target[:1]),
        (logits, one_class),
        (torch.zeros_like(logits), target),
        (torch.full_like(logits, 1e4), target),
        batch(kind, k=2),
    ):
        loss = make(name, "none", inputs.shape[1], **given)
        each = loss(inputs, y)
        assert each.shape == (len(inputs),)
        assert each.isfinite().all()
        assert gradient(loss, inputs, y).isfinite().all()


@pytest.mark.parametrize(
    "place", ["zeros", "one zero", "identical", "duplicates", "opposite views", "too few"]
)
@pytest.mark.parametrize(("name", "given"), [c for c in CASES if c.values[0] in ON_EMBEDDINGS])
def test_degenerate_embeddings_finite_or_refused(name: str, given: Settings, place: str) -> None:
    loss = make(name, "none", **given)
    assert isinstance(loss, EmbeddingLoss)
    z, labels = batch(KIND[name])
    one_zero = z.clone()
    one_zero[0, 0] = 0
    few = loss.min_batch - 1
    inputs = {
        "zeros": torch.zeros_like(z),
        "one zero": one_zero,
        "identical": z[:1, :1].expand_as(z),
        "duplicates": z[:, [0, 0, 1, 1, 2, 2]],
        "opposite views": torch.stack([z[0], -z[0]]),
        "too few": z[:, :few],
    }[place]
    if place == "too few":
        with pytest.raises(ValueError, match="embeddings must hold"):
            loss(inputs, None if labels is None else labels[:few])
        return
    try:
        each = loss(inputs, labels)
    except ValueError:
        return
    assert each.isfinite().all()
    assert gradient(loss, inputs, labels).isfinite().all()


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
WRONG |= dict.fromkeys(cards.EMBEDDING_TARGETS, WRONG_EMBEDDINGS | NO_LABELS)
WRONG["two_view"] = WRONG_EMBEDDINGS
MISTAKES = [
    pytest.param(name, spoil, id=f"{name}-{mistake}")
    for name in CARDS
    for mistake, spoil in WRONG[KIND[name]].items()
]


@pytest.mark.parametrize(("name", "spoil"), MISTAKES)
def test_wrong_argument_is_refused(name: str, spoil: Wrong) -> None:
    inputs, target = batch(KIND[name])
    legal = torch.arange(inputs.shape[1]) // 2 if target is None else target
    loss = make(name)
    loss(inputs, legal)
    fields = "logits|target|embeddings|labels|class_counts"
    with pytest.raises(ValueError, match=rf"^({fields}) (rows )?(must|are)"):
        loss(*spoil(inputs, legal))


@pytest.mark.parametrize(("name", "key"), HYPERPARAMETERS)
def test_hyperparameter_outside_its_range_is_refused(name: str, key: str) -> None:
    interval = Interval.parse(CARDS[name].hyperparameters[key].range)
    outside: list[Any] = [math.nan, math.inf, -math.inf, "0.5", True]
    for end, is_open, away in (
        (interval.low, interval.low_open, -math.inf),
        (interval.high, interval.high_open, math.inf),
    ):
        if is_open or math.isinf(end):
            outside.append(end)
        else:
            outside.append(math.nextafter(end, away))
            build(name, key, end)
    for value in outside:
        with pytest.raises(ValueError, match=f"{key} must be a number in"):
            build(name, key, value)


@pytest.mark.parametrize("name", [n for n in CARDS if "class_counts" in CARDS[n].requires])
def test_class_counts_are_asked_for(name: str) -> None:
    inputs, target = batch(KIND[name])
    loss = lossatlas.get_loss(name)
    with pytest.raises(ValueError, match="class_counts are needed by this loss"):
        loss(inputs, target)
    with pytest.raises(ValueError, match="class_counts must be of the 5 classes"):
        loss.provide(class_counts=[2, 1])(inputs, target)
    for counts in ([1.0], [1.0, 0.0], [1.0, math.nan], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="class_counts must be K >= 2 positive numbers"):
            loss.provide(class_counts=counts)


@pytest.mark.parametrize("name", CARDS)
def test_without_value_checks_the_value_is_the_same(name: str) -> None:
    inputs, target = batch(KIND[name])
    loss = make(name)
    checked = loss(inputs, target)
    loss.validate = False
    assert torch.equal(loss(inputs, target), checked)


# ---------------------------------------------------------------------------------- side effects


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", CARDS)
def test_forward_changes_nothing_around_it(name: str, mode: Callable[[], torch.no_grad]) -> None:
    inputs, target = batch(KIND[name])
    inputs_before, target_before = copy.deepcopy((inputs, target))
    random_state = torch.get_rng_state()
    loss = make(name)
    state = copy.deepcopy(loss.state_dict())
    with mode():
        enabled = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        loss(inputs, target)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == enabled
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(inputs, inputs_before)
    torch.testing.assert_close(target, target_before, rtol=0, atol=0)
    torch.testing.assert_close(loss.state_dict(), state, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "given"), CASES)
def test_copies_give_the_same_value(name: str, given: Settings) -> None:
    inputs, target = batch(KIND[name])
    loss = make(name, "sum", **given)
    value = loss(inputs, target)
    for copied in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(copied(inputs, target), value)


# ---------------------------------------------------------------------------------------- ledger


@pytest.mark.parametrize("name", recorded(resources.folder("papers") / registry.LEDGER))
def test_ledger_is_current(name: str) -> None:
    entry = registry.find(name)
    assert registry.status(entry) == "verified", (
        f"{name} was changed after it was verified; run the suite with --record"
    )
