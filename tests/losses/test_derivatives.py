"""First and second derivatives of every loss at ordinary, tied, zero and extreme inputs."""

import pytest
import torch
from torch import Tensor

import lossatlas
from lossatlas import cards
from lossatlas.contract.inputs import DIMENSION, batch, every_target, extremes, make

SIZES = (50.0, 1e3, 1e6, 1e30)
# A norm stands in a denominator: at the zero vector there is no second derivative to have.
NORMS = ("logit_norm", "nt_xent")


def inputs(kind: str, where: str) -> tuple[Tensor, Tensor | None]:
    if where == "ordinary":
        return batch(kind)
    if where in ("tied", "zero"):
        fill = 3.0 if where == "tied" else 0.0
        if kind in cards.EMBEDDING_TARGETS:
            return torch.full((2, 6, DIMENSION), fill, dtype=torch.float64), batch(kind)[1]
        target = every_target(kind, 5)
        return torch.full((len(target), 5), fill, dtype=torch.float64), target
    return extremes(kind, float(where))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("where", ["ordinary", "tied", "zero", *map(str, SIZES)])
@pytest.mark.parametrize("name", lossatlas.list_losses())
def test_no_derivative_is_nan(name: str, where: str, dtype: torch.dtype) -> None:
    loss = make(name, "sum")
    x, target = inputs(loss.target, where)
    x = x.to(dtype).requires_grad_()
    (first,) = torch.autograd.grad(loss(x, target), x, create_graph=True)
    assert not first.isnan().any()
    if first.requires_grad and not (where == "zero" and name in NORMS):
        direction = torch.linspace(0.3, 1.7, first.numel(), dtype=dtype).view_as(first)
        (second,) = torch.autograd.grad((first * direction).sum(), x)
        assert not second.isnan().any()


@pytest.mark.parametrize("a", [0.0, 0.6])
def test_agce_has_curvature_zero_where_the_probability_underflows(a: float) -> None:
    s = torch.tensor([[-800.0, 0, 0]], dtype=torch.float64)
    loss = lossatlas.get_loss("agce", a=a)
    hessian = torch.autograd.functional.hessian(lambda x: loss(x, torch.tensor([0])), s)
    assert hessian.abs().max() < 1e-100  # type: ignore[union-attr, operator]


def test_gradient_of_kl_in_the_target_is_its_limit() -> None:
    q = torch.tensor([[0.0, 0.25, 0.75]], dtype=torch.float64, requires_grad=True)
    s = torch.tensor([[0.0, 1, 2]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(lossatlas.get_loss("soft_target_kl")(s, q), q)
    expected = q.detach().log() - torch.log_softmax(s, 1) + 1
    assert expected[0, 0] == -torch.inf
    torch.testing.assert_close(gradient, expected)
