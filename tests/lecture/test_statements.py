"""The statements of the lecture hold, and each of their checks can fail."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.cards import Card
from lossatlas.lecture import SECTIONS, Relation, Statement, decide, errata, label_sets
from lossatlas.lecture.descent import descend
from lossatlas.lecture.sample import CLASSES, Sample, samples
from lossatlas.lecture.statement import statement
from lossatlas.losses import quantities
from lossatlas.losses.registry import get_card, get_loss

STATEMENTS = {one.id: one for section in SECTIONS for one in section.statements}
LOSSES = (
    "cross_entropy", "soft_target_kl", "label_smoothing", "crammer_singer_hinge",
    "set_margin_hinge", "nt_xent",
)  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_holds(name: str) -> None:
    outcomes = decide(STATEMENTS[name])
    assert outcomes
    assert [o for o in outcomes if not o.holds] == []


def test_the_chapter_compares_tens_of_thousands_of_points() -> None:
    outcomes = [decide(one)[0] for one in STATEMENTS.values()]
    assert sum(outcome.n >= 10_000 for outcome in outcomes) >= len(STATEMENTS) - 1
    assert len(STATEMENTS) == sum(len(section.statements) for section in SECTIONS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_relation_fails_when_one_number_is_off(name: str) -> None:
    """One entry of each `==` is moved by 1e-3; each `<=` is turned round."""
    one = STATEMENTS[name]

    def broken(sample: Sample) -> Iterator[Relation]:
        for relation in one.relations(sample):
            if relation.sign == "<=":
                yield relation._replace(left=relation.right, right=relation.left)
            else:
                left = relation.left.clone()
                left[0] = left[0] + 1e-3 * (left[0].abs() + relation_scale(relation))
                yield relation._replace(left=left)

    outcomes = decide(one._replace(relations=broken))
    assert [o.says for o in outcomes if o.holds] == []


def relation_scale(relation: Relation) -> float:
    return max(1.0, float(torch.as_tensor(relation.scale).max()))


def _wrong(says: str, left: Callable[[Sample], Tensor], right: Callable[[Sample], Tensor]) -> Any:
    @statement(says, "")
    def relations(sample: Sample) -> Iterator[Relation]:
        yield Relation(says, left(sample), "<=", right(sample))

    return relations


FALSE = [
    _wrong("LSE <= max, without log K", lambda x: x.s.logsumexp(1), lambda x: x.s.amax(1)),
    _wrong(
        "the log loss moves with a shift by at least a thousandth of it",
        lambda x: 1e-3 * x.shift[:, 0].abs(),
        lambda x: (F.cross_entropy(x.s + x.shift, x.y, reduction="none")
                   - F.cross_entropy(x.s, x.y, reduction="none")).abs(),
    ),
    _wrong(
        "log loss <= softplus(-m), as if K were 2",
        lambda x: F.cross_entropy(x.s, x.y, reduction="none"),
        lambda x: F.softplus(-quantities.margin(x.s, x.y)) + 1e-8,
    ),
    _wrong(
        "an error costs at least 1, as with the hinge",
        lambda x: (quantities.margin(x.s, x.y) <= 0).double(),
        lambda x: F.cross_entropy(x.s, x.y, reduction="none"),
    ),
    _wrong(
        "twice Pinsker's bound",
        lambda x: (x.q - x.s.softmax(1)).abs().sum(1) ** 2,
        lambda x: get_loss("soft_target_kl", "none")(x.s, x.q),
    ),
    _wrong(
        "smallest log loss <= loss of the set",
        lambda x: label_sets._cheapest("cross_entropy", x.s, x.sets),
        lambda x: label_sets.set_loss(x.s, x.sets),
    ),
    _wrong(
        "smallest hinge of the classes <= hinge of the set, with the mean of the set as margin",
        lambda x: get_loss("set_margin_hinge", "none")(x.s, x.sets),
        lambda x: (1 - (x.s * x.sets).sum(1) / x.sets.sum(1)
                   + x.s.masked_fill(x.sets, -torch.inf).amax(1)).relu() - 1e-3,
    ),
]  # fmt: skip


@pytest.mark.parametrize("false", FALSE, ids=lambda one: one.title)
def test_a_false_statement_is_not_let_through(false: Statement) -> None:
    assert not any(outcome.holds for outcome in decide(false))


def _log_mean_exp(logits: Tensor) -> Tensor:
    return torch.logsumexp(logits, 1) - torch.tensor(float(logits.shape[1])).log()


def _absolute_margin(logits: Tensor, target: Tensor) -> Tensor:
    return right_margin(logits, target) + 1e-6 * logits[:, 0]


def _with_score(self: Any, logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none") + 1e-6 * logits[:, 0]


def _base_two(self: Any, logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none") * 0.999


def _epsilon_in_log(self: Any, logits: Tensor, target: Tensor) -> Tensor:
    p = torch.softmax(logits, 1).gather(1, target[:, None])[:, 0]
    return -torch.log(p + 1e-8)


def _half_margin(self: Any, logits: Tensor, target: Tensor) -> Tensor:
    return (0.999 - quantities.margin(logits, target)).relu()


def _no_entropy(self: Any, logits: Tensor, target: Tensor) -> Tensor:
    log_p = torch.log_softmax(logits, 1)
    return -torch.where(target > 0, target * log_p, 0.0).sum(1)


def _smoothed_elsewhere(self: Any, logits: Tensor, target: Tensor) -> Tensor:
    log_p = torch.log_softmax(logits, 1)
    log_p_y = log_p.gather(1, target[:, None])[:, 0]
    others = (log_p.sum(1) - log_p_y) / (logits.shape[1] - 1)
    return -(1 - self.epsilon) * log_p_y - self.epsilon * others


def _mean_of_set(self: Any, logits: Tensor, target: Tensor) -> Tensor:
    inside = (logits * target).sum(1) / target.sum(1)
    return (1 - inside + logits.masked_fill(target, -torch.inf).amax(1)).relu()


def _soft_instead_of_set(scores: Tensor, sets: Tensor) -> Tensor:
    return _no_entropy(None, scores, label_sets.uniform(sets))


def _with_itself(self: Any, embeddings: Tensor, labels: Tensor | None) -> Tensor:
    z = F.normalize(embeddings.flatten(0, 1), dim=1)
    partner = torch.arange(len(z)).roll(embeddings.shape[1])
    return F.cross_entropy(z @ z.T / self.temperature, partner, reduction="none")


right_margin = quantities.margin

MUTANTS: list[tuple[str, Any, str, Callable[..., Tensor]]] = [
    ("margin_shift", quantities, "margin", _absolute_margin),
    ("hinge_bounds_error", "crammer_singer_hinge", "per_sample", _half_margin),
    ("lse_bounds", quantities, "logsumexp", _log_mean_exp),
    ("lse_gradient", quantities, "softmax", lambda s: torch.softmax(s / 1.001, 1)),
    ("lse_gradient", quantities, "logsumexp", lambda s: torch.logsumexp(1.001 * s, 1)),
    ("log_loss_shift", "cross_entropy", "per_sample", _with_score),
    ("log_loss_shift", quantities, "logsumexp", lambda s: torch.logsumexp(1.001 * s, 1)),
    ("smoothed_margin", "cross_entropy", "per_sample", _epsilon_in_log),
    ("margin_band", "cross_entropy", "per_sample", _base_two),
    ("margin_band", "cross_entropy", "per_sample", _epsilon_in_log),
    ("error_costs_log_two", "cross_entropy", "per_sample", _base_two),
    ("two_classes", "cross_entropy", "per_sample", _epsilon_in_log),
    ("kl_nonnegative", "soft_target_kl", "per_sample", _no_entropy),
    ("cross_entropy_minus_entropy", "soft_target_kl", "per_sample", _no_entropy),
    ("one_hot_target", "cross_entropy", "per_sample", _base_two),
    ("smoothing_is_kl", "label_smoothing", "per_sample", _smoothed_elsewhere),
    ("set_hinge", "set_margin_hinge", "per_sample", _mean_of_set),
    ("set_log_loss", label_sets, "set_loss", _soft_instead_of_set),
    ("set_log_loss", "cross_entropy", "per_sample", _base_two),
    ("soft_target_and_set", "soft_target_kl", "per_sample", _no_entropy),
    ("flat_or_unique", label_sets, "set_loss", _soft_instead_of_set),
    ("flat_or_unique", "soft_target_kl", "per_sample", _no_entropy),
    ("nt_xent_is_log_loss", "nt_xent", "per_sample", _with_itself),
]


def test_every_statement_has_a_mutant() -> None:
    assert {name for name, *_ in MUTANTS} == set(STATEMENTS)


@pytest.mark.parametrize(
    ("name", "owner", "attribute", "mutant"), MUTANTS, ids=lambda v: getattr(v, "__name__", str(v))
)
def test_a_mutated_definition_breaks_its_statement(
    name: str, owner: Any, attribute: str, mutant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packaged loss (named) or a quantity of the package is replaced by a wrong one."""
    target = type(get_loss(owner)) if isinstance(owner, str) else owner
    monkeypatch.setattr(target, attribute, mutant)
    assert not all(outcome.holds for outcome in decide(STATEMENTS[name]))


def test_nan_fails_and_an_empty_comparison_is_refused() -> None:
    @statement("NaN", "")
    def nan(sample: Sample) -> Iterator[Relation]:
        yield Relation("nan", torch.full((3,), torch.nan), "<=", torch.zeros(3))

    @statement("nothing", "")
    def nothing(sample: Sample) -> Iterator[Relation]:
        yield Relation("nothing", torch.zeros(0), "==", torch.zeros(0))

    assert not decide(nan)[0].holds
    with pytest.raises(ValueError, match="tested at no point"):
        decide(nothing)


def test_outcomes_count_points_and_find_the_worst() -> None:
    @statement("", "")
    def known(sample: Sample) -> Iterator[Relation]:
        left = torch.tensor([1.0, 2.0, 30.0]).double()
        yield Relation("le", left, "<=", left - torch.tensor([0.1, 0.0, 0.3]).double())
        yield Relation("eq", left, "==", left + 0.5, scale=100.0)

    below, equal = decide(known)
    assert below.n == equal.n == 3 * len(CLASSES)
    assert below.worst == pytest.approx(0.1)
    assert equal.worst == pytest.approx(0.005)


def test_samples_are_legal_varied_and_repeatable() -> None:
    for sample, k in zip(samples(), CLASSES, strict=True):
        assert sample.s.shape == sample.sets.shape == sample.q.shape == (len(sample.y), k)
        assert sample.s.dtype == sample.q.dtype == torch.float64
        sizes = sample.sets.sum(1)
        assert set(sizes.tolist()) == set(range(1, k))
        assert sample.sets.gather(1, sample.y[:, None]).all()
        torch.testing.assert_close(sample.q.sum(1), torch.ones(len(sample.y)).double())
        assert (sample.q == 0).any()
        assert sample.q.max() > 0.999
        assert sample.shift.abs().max() > 900
    assert samples() is samples()


def test_descent_follows_the_gradient() -> None:
    start = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    path = descend(lambda s: (s**2).sum(1) / 2, start, steps=3, rate=0.5)
    expected = torch.tensor([1.0, 0.5, 0.25, 0.125], dtype=torch.float64)
    assert path.shape == (4, 1, 2)
    torch.testing.assert_close(path[:, 0, 0], expected)


def test_all_three_errata_of_the_notes_are_confirmed() -> None:
    found = [slip for name in LOSSES for slip in errata.of_card(get_card(name))]
    assert all(slip.confirmed for slip in found)
    numbers = {s.printed: s for s in found if isinstance(s, errata.WrongNumber)}
    assert set(numbers) == {0.2, 0.448}
    assert numbers[0.2].example.measured == pytest.approx(0.1048978, abs=1e-6)
    assert numbers[0.448].example.measured == pytest.approx(1.2628643, abs=1e-6)
    claims = [s for s in found if isinstance(s, errata.WrongClaim)]
    assert [(s.card, "differs" in s.says) for s in claims] == [("cross_entropy", True)]
    settled = claims[0].settled
    assert settled is not None
    assert settled.n > 10_000


def test_statements_rule_the_printed_numbers_out_and_allow_the_right_ones() -> None:
    for name, low, high in (
        ("cross_entropy", 0.05903283, 0.11477418),
        ("soft_target_kl", 0.98, float("inf")),
    ):
        (slip,) = (s for s in errata.of_card(get_card(name)) if isinstance(s, errata.WrongNumber))
        assert slip.bound is not None
        assert (slip.bound.low, slip.bound.high) == pytest.approx((low, high), abs=1e-7)
        assert slip.ruled_out
        assert not slip._replace(printed=float(slip.example.expected)).ruled_out  # type: ignore[arg-type]


def test_an_erratum_that_prints_the_right_number_is_not_confirmed() -> None:
    card = get_card("cross_entropy")
    right = [e.model_copy(update={"printed": 0.1049} if e.printed else {}) for e in card.examples]
    (slip,) = _numbers(card.model_copy(update={"examples": right}))
    assert not slip.confirmed
    wrong = [e.model_copy(update={"value": 0.2} if e.printed else {}) for e in card.examples]
    (slip,) = _numbers(card.model_copy(update={"examples": wrong}))
    assert not slip.confirmed


def test_a_claim_that_no_statement_decides_is_not_confirmed() -> None:
    card = get_card("focal")
    claim = card.properties["shift_invariant"].model_copy(update={"printed": "it is not"})
    edited = card.model_copy(update={"properties": {"shift_invariant": claim}})
    (slip,) = errata.of_card(edited)
    assert isinstance(slip, errata.WrongClaim)
    assert not slip.confirmed


def _numbers(card: Card) -> list[errata.WrongNumber]:
    return [slip for slip in errata.of_card(card) if isinstance(slip, errata.WrongNumber)]
