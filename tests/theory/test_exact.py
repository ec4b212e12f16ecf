"""The 50-digit arithmetic: it does what torch does, says so when it cannot, and is exact."""

from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import lossatlas
from lossatlas.theory import exact
from lossatlas.theory.subject import Subject, examine
from losses.inputs import batch, find_reference, reference_values

X = torch.tensor([[0.3, -1.2, 2.5, 0.9], [1.7, 0.1, -0.4, 3.1], [-2.2, 0.6, 0.2, -0.7]]).double()
Y = torch.tensor([2, 0, 3])
MASK = X > 0.5
OTHER = X.flip(0) / 3 + 0.1

# Each entry of the table, as code calls it; x is a float64 tensor (3, 4) or its exact twin.
CALLS: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: 2 + x + OTHER + torch.add(x, 1, alpha=2),
    "sub": lambda x: OTHER - x - 1 + (2 - x),
    "mul": lambda x: OTHER * x * 2,
    "div": lambda x: OTHER / x / 2 + 3 / x,
    "matmul": lambda x: OTHER @ x.T + x @ OTHER.T,
    "neg": lambda x: -x,
    "pow": lambda x: x**2 + x.abs() ** 0.3 + x.pow(3) + OTHER.abs() ** x + 2**x,
    "square": lambda x: x.square(),
    "sqrt": lambda x: x.abs().sqrt(),
    "rsqrt": lambda x: x.abs().rsqrt(),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.abs().log(),
    "expm1": torch.expm1,
    "log1p": lambda x: torch.log1p(x.abs()),
    "sin": torch.sin,
    "cos": torch.cos,
    "acos": lambda x: torch.acos(x / 4),
    "tanh": torch.tanh,
    "abs": torch.abs,
    "sign": torch.sign,
    "relu": lambda x: x.relu() + F.relu(x),
    "sigmoid": torch.sigmoid,
    "log_sigmoid": F.logsigmoid,
    "softplus": lambda x: F.softplus(x) + F.softplus(x, beta=3),
    "logaddexp": lambda x: torch.logaddexp(x, OTHER),
    "xlogy": lambda x: torch.xlogy(x.relu(), x.relu()),
    "maximum": lambda x: torch.maximum(x, OTHER),
    "minimum": lambda x: torch.minimum(x, OTHER),
    "clamp": lambda x: x.clamp(-0.5, 0.8) + x.clamp(min=0.1) + x.clamp(max=0.1),
    "clamp_min": lambda x: x.clamp_min(0.1),
    "clamp_max": lambda x: x.clamp_max(0.1),
    "sum": lambda x: x.sum() + x.sum(0) + x.sum((0, 1)) + x.sum(1, keepdim=True),
    "mean": lambda x: x.mean() + x.mean(0) + x.mean(dim=1, keepdim=True),
    "var": lambda x: x.var() + x.var(0) + x.var(1, correction=0, keepdim=True),
    "std": lambda x: x.std(0) + x.std(dim=1, keepdim=True),
    "amax": lambda x: x.amax(1, keepdim=True) + x.amax(),
    "amin": lambda x: x.amin(1, keepdim=True) + x.amin(),
    "logsumexp": lambda x: torch.logsumexp(x, 1) + x.logsumexp((0, 1)),
    "max": lambda x: x.max() + x.max(1).values + torch.max(x, 1)[1] + torch.max(x, OTHER)[:, 0],
    "min": lambda x: x.min() + x.min(1, keepdim=True).values + torch.min(x, OTHER),
    "cumsum": lambda x: x.cumsum(1),
    "argmax": lambda x: x.argmax(1) + x.argmax(),
    "argsort": lambda x: x.argsort(1, descending=True),
    "sort": lambda x: x.sort(1, descending=True).values + torch.sort(x)[1],
    "topk": lambda x: x.topk(2, 1).values + torch.topk(x, 2, dim=1).indices,
    "softmax": lambda x: torch.softmax(x, 1) + F.softmax(x, dim=0),
    "log_softmax": lambda x: torch.log_softmax(x, 1) + F.log_softmax(x, dim=0),
    "cross_entropy": lambda x: (
        F.cross_entropy(x, Y, reduction="none")
        + F.cross_entropy(x, Y)
        + F.cross_entropy(x, torch.softmax(OTHER, 1), reduction="sum")
    ),
    "nll_loss": lambda x: F.nll_loss(x, Y, reduction="none") + F.nll_loss(x, Y),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(
        x, MASK.double(), reduction="none"
    ),
    "norm": lambda x: torch.norm(x, dim=1) + x.norm(p=1),
    "linalg_vector_norm": lambda x: (
        torch.linalg.vector_norm(x, dim=1) + torch.linalg.vector_norm(x, float("inf"))
    ),
    "normalize": lambda x: F.normalize(x, dim=1),
    "cosine_similarity": lambda x: F.cosine_similarity(x, OTHER, dim=1),
    "gather": lambda x: x.gather(1, Y[:, None]) + torch.gather(x, 1, Y[:, None]),
    "scatter": lambda x: x.scatter(1, Y[:, None], -3.0) + x.scatter(1, Y[:, None], OTHER),
    "where": lambda x: torch.where(MASK, x, 0.0) + torch.where(x > 0, OTHER, x),
    "masked_fill": lambda x: x.masked_fill(MASK, -1.0),
    "getitem": lambda x: x[:, None, 1:] + x[torch.arange(3), Y][:, None, None],
    "unsqueeze": lambda x: x.unsqueeze(-1) + x.unsqueeze(1)[:, :, :1],
    "squeeze": lambda x: x[:, :1].squeeze(1) + x[:1, :1].squeeze(),
    "flatten": lambda x: x[None].flatten(0, 1) + x.flatten()[0],
    "view": lambda x: x.view(2, 6) + x.view(-1)[:6],
    "reshape": lambda x: x.reshape(4, -1),
    "expand": lambda x: x[:1].expand(3, -1) + x[0].expand_as(OTHER),
    "expand_as": lambda x: x[0].expand_as(OTHER),
    "transpose": lambda x: x.transpose(0, 1) + x.T,
    "t": lambda x: x.t(),
    "mm": lambda x: torch.mm(x, OTHER.T),
    "roll": lambda x: x.roll(1, 0) + torch.roll(x, 1, dims=1),
    "cat": lambda x: torch.cat([x, OTHER], 1) + torch.cat((OTHER, x), dim=1),
    "stack": lambda x: torch.stack([x, x]).sum(0),
    "unbind": lambda x: x.unbind(1)[2] + x.unbind()[1][0],
    "diagonal": lambda x: (x @ x.T).diagonal(),
    "eq": lambda x: x == x.relu(),
    "ne": lambda x: x != x.relu(),
    "lt": lambda x: (x < 0.9) & (x > OTHER),
    "le": lambda x: x <= 0.9,
    "gt": lambda x: x > 0.9,
    "ge": lambda x: (x >= 0.9) | (x <= 1),
    "isfinite": lambda x: (x / x.relu()).isfinite(),
    "zeros_like": torch.zeros_like,
    "ones_like": torch.ones_like,
    "new_tensor": lambda x: x.new_tensor([0.5, 1.5]),
    "detach": lambda x: x.detach(),
    "clone": lambda x: x.clone(),
    "float": lambda x: x.float() if isinstance(x, exact.Exact) else x,
    "to": lambda x: x.to(torch.float64),
    "size": lambda x: torch.tensor([x.size(1), *x.size(), len(x), *x.shape]),
    "dim": lambda x: torch.tensor([x.dim(), x.ndim]),
}  # fmt: skip
TABLE = exact.TABLE


def test_every_entry_is_tried() -> None:
    assert set(CALLS) == set(TABLE)


@pytest.mark.parametrize("name", CALLS)
def test_entry_does_what_torch_does(name: str) -> None:
    ours = CALLS[name](exact.Exact(exact._numbers(X)))
    torchs = CALLS[name](X)
    if isinstance(ours, exact.Exact):
        assert ours.array.dtype == object
        ours = torch.tensor(ours.array.astype(float), dtype=torch.float64)
    assert ours.shape == torchs.shape
    assert ours.dtype == torchs.dtype
    torch.testing.assert_close(ours, torchs, atol=1e-14, rtol=1e-13, equal_nan=True)


@pytest.mark.parametrize(
    "function",
    [
        lambda s, y: torch.erf(s).sum(1),
        lambda s, y: s.digamma().sum(1),
        lambda s, y: F.cross_entropy(s, y, reduction="none", label_smoothing=0.1),
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
    subject = examine(name, 5)
    for seed in range(2):
        inputs, target = batch(subject.target, n=4, seed=seed)
        values = subject.function(inputs, target)
        if subject.on_embeddings:
            ours = subject.at_50_digits(inputs.tolist(), target)
            assert float(ours) == pytest.approx(values.mean().item(), rel=1e-12)
            if find_reference(name) is not None:
                reference = reference_values(name, inputs, target, {}).mean().item()
                assert float(ours) == pytest.approx(reference, rel=1e-13)
            continue
        assert target is not None
        rows = zip(inputs.tolist(), target[:, None], strict=True)
        ours = [float(subject.at_50_digits(s, y)) for s, y in rows]
        assert ours == pytest.approx(values.tolist(), rel=1e-12, abs=1e-12)
        if find_reference(name) is not None:
            reference = reference_values(name, inputs, target, {}).tolist()
            assert ours == pytest.approx(reference, rel=1e-13, abs=1e-14)
