"""Sums of losses as text: what is read, how it is spelt, and the sentence for each mistake."""

from pathlib import Path

import pytest
import torch

from lossatlas import get_card, get_loss
from lossatlas.contract.inputs import batch_of
from lossatlas.errors import UserError
from lossatlas.losses import registry
from lossatlas.losses.base import Sum
from lossatlas.losses.expression import Term, ids, parse, write


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("nce + 0.1 * rce", [(1, "nce", {}), (0.1, "rce", {})]),
        ("gce(q=0.5) + 2 * mae", [(1, "gce", {"q": 0.5}), (2, "mae", {})]),
        ("rce*3", [(3, "rce", {})]),
        ("0.5 * (a + 2 * (b + c * 3))", [(0.5, "a", {}), (1, "b", {}), (3, "c", {})]),
        ("poly(epsilon=-1, k=2)", [(1, "poly", {"epsilon": -1, "k": 2})]),
        ("focal()", [(1, "focal", {})]),
        ("  a\n  + b ", [(1, "a", {}), (1, "b", {})]),
        ("1e-3 * a", [(1e-3, "a", {})]),
        ("a - 2 * (b - c)", [(1, "a", {}), (-2, "b", {}), (2, "c", {})]),
        ("a - 0 * b", [(1, "a", {}), (0, "b", {})]),
        ("w(a)", [(1, "w", {"loss": "a"})]),
        ("w(f(gamma=3.0), b=1)", [(1, "w", {"loss": "f(gamma=3)", "b": 1})]),
        ("a+.1*w(w(a - b),b=2)", [(1, "a", {}), (0.1, "w", {"loss": "w(a - b)", "b": 2})]),
    ],
)
def test_terms_are_read(text: str, terms: list[tuple[float, str, dict[str, float]]]) -> None:
    assert parse(text) == [Term(*term) for term in terms]


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("nce+.1*rce", "nce + 0.1 * rce"),
        ("2*( gce( q=1.0 ) )+1*mae", "2 * gce(q=1) + mae"),
        ("0.5 * (a + b)", "0.5 * a + 0.5 * b"),
        ("1e-7*a", "1e-07 * a"),
        ("a(x=1, y=-2.50)", "a(x=1, y=-2.5)"),
        ('a(how="b c", on=True)', "a(how='b c', on=True)"),
        ("(a + 3*b) / 4", "0.25 * a + 0.75 * b"),
        ("0 * a", "0 * a"),
        ("a-2*(b+c)", "a - 2 * b - 2 * c"),
        ("a - (b - c)", "a - b + c"),
        ("a - 0 * b", "a + 0 * b"),
        ("w( f( gamma=3.0 ),b=.50 )", "w(f(gamma=3), b=0.5)"),
        ("w(b=1, loss='2*f')", "w(2 * f, b=1)"),
    ],
)
def test_a_sum_has_one_spelling(text: str, spelling: str) -> None:
    assert write(parse(text)) == spelling
    assert parse(spelling) == parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must not be empty"),
        ("  \n", "must not be empty"),
        ("-1 * mae", r"the weight -1 is not in \[0, inf\)"),
        ("nce + -0.5 * mae", r"the weight -0.5 is not in \[0, inf\)"),
        ("1e999 * mae", r"the weight inf is not in \[0, inf\)"),
        ("9" * 400 + " * mae", "is no sum of losses"),
        ("9" * 5000 + " * mae", "is no sum of losses"),
        ("nce -", "is no sum of losses"),
        ("w(a, b)", r"'w\(a, b\)' is not legal"),
        ("w(*a)", r"'\*a' is not legal"),
        ("w(a, loss='b')", "w is given the same hyperparameter twice"),
        ("w(loss='a b')", "is no sum of losses"),
        ("nce * mae", "'nce \\* mae' has no number for a weight"),
        ("True * mae", "'True \\* mae' has no number for a weight"),
        ("1j * mae", "has no number for a weight"),
        ("'2' * mae", "has no number for a weight"),
        ("2", "'2' is not legal"),
        ("2 * 3", "'3' is not legal"),
        ("-mae", "'-mae' is not legal"),
        ("2 / nce", "'nce' is no number above 0 to divide by"),
        ("nce / 0", "'0' is no number above 0 to divide by"),
        ("gce(0.5)", r"'gce\(0.5\)' is not legal"),
        ("gce(q=x)", "'q=x' of gce is not a hyperparameter and a value"),
        ("gce(q=None)", "'q=None' of gce is not a hyperparameter and a value"),
        ("gce(q=b'1')", "of gce is not a hyperparameter and a value"),
        ("gce(q=1/2)", "of gce is not a hyperparameter and a value"),
        ("gce(**q)", r"'\*\*q' of gce is not a hyperparameter and a value"),
        ("gce(q=1, q=0.5)", "gce is given the same hyperparameter twice"),
        ("a.b(q=1)", r"'a.b\(q=1\)' is not legal"),
        ("__import__('os')", "is not legal"),
        ("[mae]", r"'\[mae\]' is not legal"),
        ("nce +", "is no sum of losses"),
        ("nce; mae", "is no sum of losses"),
        ("(" * 300 + "mae" + ")" * 300, "is no sum of losses"),
        ("mae" + " + mae" * 20_000, "is no sum of losses"),
        ("mae\0", "is no sum of losses"),
    ],
    ids=lambda text: text[:20],
)
def test_a_mistake_is_one_sentence(text: str, says: str) -> None:
    for reader in (parse, get_loss):
        with pytest.raises(UserError, match=says) as caught:
            reader(text)
        message = str(caught.value)
        assert "write it like 'nce + 0.1 * rce' or 'gce(q=0.5) + 2 * mae'" in message
        assert "\n" not in message


def test_get_loss_builds_the_sum() -> None:
    logits, target = batch_of(get_card("cross_entropy"), n=20)
    loss = get_loss("focal(gamma=3) + 0.5 * (cross_entropy + 4 * crammer_singer_hinge)", "none")
    assert isinstance(loss, Sum)
    assert loss.reduction == "none"
    expected = (
        get_loss("focal", "none", gamma=3)(logits, target)
        + 0.5 * get_loss("cross_entropy", "none")(logits, target)
        + 2 * get_loss("crammer_singer_hinge", "none")(logits, target)
    )
    torch.testing.assert_close(loss(logits, target), expected)


def test_one_loss_with_hyperparameters_is_that_loss() -> None:
    loss = get_loss("focal(gamma=3)", "sum")
    assert type(loss) is registry.get_class("focal")
    assert loss.reduction == "sum"
    logits, target = batch_of(get_card("cross_entropy"))
    twice = get_loss("2 * focal(gamma=3)", "sum")(logits, target)
    torch.testing.assert_close(twice, 2 * loss(logits, target))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("focall + cross_entropy", "there is no loss 'focall'; did you mean focal"),
        (
            "focal(gama=1) + cross_entropy",
            "focal has no hyperparameter 'gama'; legal: gamma, alpha",
        ),
        ("focal(gamma=-1) + cross_entropy", r"focal: gamma must be a number in \[0, inf\), not -1"),
        (
            "focal + soft_target_kl",
            r"focal \+ soft_target_kl: losses can be added .* class_index, distribution",
        ),
        ("2 * nt_xent", "2 \\* nt_xent: losses can be added when all are of logits .* two_view"),
        ("1e200 * (1e200 * focal)", r"a weight must be a number in \[0, inf\), not inf"),
        ("sum + focal", "there is no loss 'sum'"),
        (
            "cross-entropy",
            r"no loss 'cross-entropy'; ids are written with '_', as in cross_entropy",
        ),
        ("0 * focal - mae", r"0 \* focal - mae: a difference needs a part with a weight above 0"),
        ("mae - soft_target_kl", "losses can be added .* class_index, distribution"),
        ("flooding(soft_target_kl) + mae", "losses can be added .* class_index, distribution"),
        ("focal(mae)", "focal has no hyperparameter 'loss'; legal: gamma"),
        ("flooding(mea)", "flooding: there is no loss 'mea'; did you mean mae"),
        ("flooding(nt_xent)", "flooding: loss must be a loss of logits, .* not 'nt_xent'"),
        ("flooding(loss=3)", "flooding: loss must be a loss of logits, .* not int"),
    ],
)
def test_parts_that_cannot_be_built_or_added(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        get_loss(text)


def test_hyperparameters_of_a_sum_stand_in_its_terms() -> None:
    with pytest.raises(UserError, match=r"written into its terms, .* not given apart \(gamma\)"):
        get_loss("focal + cross_entropy", gamma=1.0)
    with pytest.raises(UserError, match="reduction must be mean, sum or none, not 'average'"):
        get_loss("focal + cross_entropy", "average")


def test_no_loss_can_be_called_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "losses" / "margin" / "sum.py"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setenv(registry.PATH_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"sum\.py: the name 'sum' is taken by sums of losses"):
        registry.find("sum")


def test_ids_are_the_losses_named() -> None:
    assert ids("a + w(a - w(b), c=1)") == ["a", "w", "b"]
