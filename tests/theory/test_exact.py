"""The 50-digit arithmetic: it does what torch does, says so when it cannot, and is exact."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import lossatlas
from lossatlas.contract.inputs import batch_of, find_reference, reference_values
from lossatlas.losses.kinds import KINDS
from lossatlas.theory import exact
from lossatlas.theory.subject import Subject, examine

X = torch.tensor([[0.3, -1.2, 2.5, 0.9], [1.7, 0.1, -0.4, 3.1], [-2.2, 0.6, 0.2, -0.7]]).double()
Y = torch.tensor([2, 0, 3])
MASK = X > 0.5
OTHER = X.flip(0) / 3 + 0.1

SIGNS = torch.tensor([1.0, -1.0, 1.0]).double()
NAMES = {"y": Y, "p": torch.softmax(OTHER, 1), "w": torch.tensor([0.5, 2, 1, 3.0]).double()}
LINES = (Path(__file__).parent / "exact_calls.txt").read_text().splitlines()
CASES = dict(line.split(": ", 1) for line in LINES if not line.startswith("#"))
TABLE = exact.TABLE
# "float" is there to be refused; it has no numbers to compare.
REFUSING = {"float"}


def cases(name: str) -> list[str]:
    if name in CASES:
        return CASES[name].split("; ")
    home = next(h for h in ("torch", "F", "torch.special") if hasattr(eval(h), name))
    if name in exact.TWO:
        return [f"{home}.{name}(x, OTHER)", f"{home}.{name}(OTHER, x)"]
    return [f"{home}.{name}({x})" for x in ("x", "x.abs()", "x / 4", "1 + x.abs()", "9 * x")]


SYNTAX = [
    "x[:, None, 1:]", "x[torch.arange(3), y]", "x[MASK]", "x[-1]", "x[..., 0]", "x[[0, 2]]",
    "x[~torch.eye(3, 4).bool()]", "x[:, [0, 1]][y % 3]", "torch.stack([row.sum() for row in x])",
    "[z := x.clone(), z.clamp_(min=0), z[0].add_(1)] and z", "[z := x + 0, z.__iadd__(1)] and z",
    "[z := x + 0, z.__setitem__((slice(None), 0), 7)] and z", "[z := x + 0, z.__imul__(x)] and z",
    "[z := x + 0, z.__setitem__(MASK, OTHER[MASK])] and z", "x if x.sum() > 0 else -x",
    "[z := x + 0, z.transpose(0, 1).mul_(2)] and z", "[z := x + 0, z.detach().zero_()] and z",
]  # fmt: skip


def run(case: str, x: Any) -> Any:
    return eval(case, {**globals(), **NAMES, "x": x})


def test_every_entry_has_cases() -> None:
    assert set(CASES) <= set(TABLE)
    assert all(cases(name) for name in TABLE)


@pytest.mark.parametrize("name", sorted(set(TABLE) - REFUSING))
def test_entry_does_what_torch_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each of its cases, which together give each of its parameters another value."""
    signature, form, used = inspect.signature(TABLE[name]), TABLE[name], set()

    def recording(*args: Any, **kwargs: Any) -> Any:
        for key, value in signature.bind(*args, **kwargs).arguments.items():
            if value is not signature.parameters[key].default:
                used.add(key)
        return form(*args, **kwargs)

    assert name == exact._bare(name)
    exact._signature(name)
    monkeypatch.setitem(TABLE, name, recording)
    for case in cases(name):
        compare(case)
    assert used == set(signature.parameters)


@pytest.mark.parametrize("case", SYNTAX)
def test_syntax_and_writing_in_place(case: str) -> None:
    compare(case)


def compare(case: str) -> None:
    with mpmath.workdps(exact.DIGITS):
        ours = run(case, exact.Exact(exact._numbers(X)))
    torchs = run(case, X.clone())
    if isinstance(ours, exact.Exact):
        assert ours.array.dtype == object
        assert all(isinstance(number, mpmath.mpf) for number in ours.array.flatten()), case
        ours = torch.tensor(ours.array.astype(float), dtype=torch.float64)
    assert ours.shape == torchs.shape, case
    assert ours.dtype == torchs.dtype, case
    torch.testing.assert_close(
        ours, torchs, atol=1e-13, rtol=1e-12, equal_nan=True, msg=lambda m: f"{case}: {m}"
    )


@pytest.mark.parametrize("name", sorted(TABLE))
def test_an_argument_without_a_meaning_is_refused(name: str) -> None:
    with pytest.raises(exact.Unsupported, match=r"nonsense|missing|positional"):
        exact._call(name, [exact.Exact(exact._numbers(X))], {"nonsense": 1})


@pytest.mark.parametrize(
    "function",
    [
        lambda s, y: torch.special.i0(s).sum(1),
        lambda s, y: s.i0().sum(1),
        lambda s, y: s.sum(1, dtype=torch.float32),
        lambda s, y: s.float().sum(1),
        lambda s, y: s.type(torch.FloatTensor).sum(1),
        lambda s, y: s.type("torch.FloatTensor").sum(1),
        lambda s, y: F.l1_loss(s, s + 1, weight=s.new_tensor([1, 2])),
        lambda s, y: F.relu(s, inplace=True).sum(1),
        lambda s, y: F.mse_loss(s, s, reduce=False),
        lambda s, y: torch.linalg.norm(s, ord=1),
        lambda s, y: torch.zeros(2).double().add_(s),
        lambda s, y: torch.eye(2)[s[0]],
        lambda s, y: s * float(s[0, 0]),
        lambda s, y: s.numpy(),
        lambda s, y: torch.tensor(list(s)),
        lambda s, y: 1 / 0 * s,
        lambda s, y: torch.zeros(1),
    ],
)
def test_unsupported_code_is_refused(function: Callable[[Any, Tensor], Any]) -> None:
    with pytest.raises(exact.Unsupported):
        exact.evaluate(function, [[0.0, 1.0]], torch.tensor([0]))


def test_fifty_digits_where_float64_has_none() -> None:
    def rounded_away(s: Any, y: Tensor) -> Any:
        return (1 + s.exp()).log().sum(1)

    (value,) = exact.evaluate(rounded_away, [[-100.0]], torch.tensor([0]))
    with mpmath.workdps(60):
        assert abs(value / mpmath.log1p(mpmath.exp(-100)) - 1) < mpmath.mpf(10) ** -6
    assert rounded_away(torch.tensor([[-100.0]]).double(), Y).item() == 0


def test_inputs_are_taken_exactly() -> None:
    (value,) = exact.evaluate(lambda s, y: s.sum(1), [[0.1, 0.2]], torch.tensor([0]))
    with mpmath.workdps(50):
        assert value == mpmath.mpf(0.1) + mpmath.mpf(0.2) != mpmath.mpf("0.3")


def test_a_clamp_stays_in_the_code() -> None:
    clamped = Subject("clamped", lambda s, y: -(torch.softmax(s, 1) + 1e-8).log()[:, 0])
    assert float(clamped.at_50_digits([0.0, 1000.0, 0.0, 0.0], 0)) == pytest.approx(18.420681)


@pytest.mark.parametrize("name", lossatlas.list_losses())
def test_losses_at_50_digits(name: str) -> None:
    if name == "dmi":
        pytest.xfail("the determinant has no 50-digit form here")
    if name == "iedl":
        pytest.xfail("the trigamma function has no 50-digit form here")
    if "randomness" in lossatlas.get_loss(name).requires:
        pytest.skip("its values are random")
    subject = examine(name, 5)
    inputs, target = batch_of(lossatlas.get_card(name), n=4)
    values = subject.function(inputs, target)
    if subject.on_embeddings:
        ours = subject.at_50_digits(inputs.tolist(), target)
        assert float(ours) == pytest.approx(values.mean().item(), rel=1e-12)
        if find_reference(name) is not None:
            reference = reference_values(name, inputs, target, {}).mean().item()
            assert float(ours) == pytest.approx(reference, rel=1e-13)
        return
    assert target is not None
    assert subject.loss is not None
    wrong = KINDS[subject.target].names == "wrong"  # which no class index is lifted to
    if wrong or subject.loss.per == "batch":  # one value, which no single row has
        whole = exact.evaluate(subject.loss.tried, inputs.tolist(), target)
        ours, values = [float(one) for one in whole], values.reshape(-1)
    else:
        rows = zip(inputs.tolist(), target[:, None], strict=True)
        ours = [float(subject.at_50_digits(s, y)) for s, y in rows]
    assert ours == pytest.approx(values.tolist(), rel=1e-12, abs=1e-12)
    if find_reference(name) is not None:
        reference = reference_values(name, inputs, target, {}).flatten().tolist()
        assert ours == pytest.approx(reference, rel=1e-13, abs=1e-14)
