"""First and second derivatives of every loss at ordinary, tied, zero and extreme inputs."""

import itertools

import pytest
import torch
from torch import Tensor

import lossatlas
from lossatlas.contract.inputs import batch_of, every_target, extremes_of, make, shape
from lossatlas.losses.kinds import KINDS

SIZES = (50.0, 1e3, 1e6, 1e30)
# A norm stands in a denominator: at the zero vector there is no second derivative to have.
NORMS = (
    "logit_norm", "sparse_regularization", "nt_xent", "supcon_out", "moco_infonce", "byol",
    "proxy_anchor", "cosine_loss",
)  # fmt: skip


def inputs(name: str, where: str) -> tuple[Tensor, Tensor | None]:
    card = lossatlas.get_card(name)
    if where == "ordinary":
        return batch_of(card)
    if where in ("tied", "zero"):
        fill = 3.0 if where == "tied" else 0.0
        if KINDS[card.target].on_embeddings:
            z, labels = batch_of(card)
            return torch.full_like(z, fill), labels
        target = every_target(card.target, 5)
        outputs = 5 + shape(card)["extra"]
        return torch.full((len(target), outputs), fill, dtype=torch.float64), target
    return extremes_of(card, float(where))


def faults(name: str, where: str, dtype: torch.dtype) -> list[str]:
    """Which derivatives are NaN there, though they exist."""
    loss = make(name, "sum")
    x, target = inputs(name, where)
    x = x.to(dtype).requires_grad_()
    (first,) = torch.autograd.grad(loss(x, target), x, create_graph=True)
    if first.isnan().any():
        return [f"first at {where} inputs in {dtype}"]
    none = ("zero",) if name in NORMS else ("zero", "tied") if name == "dmi" else ()
    if first.requires_grad and where not in none:  # dmi: equal rows have the determinant 0
        direction = torch.linspace(0.3, 1.7, first.numel(), dtype=dtype).view_as(first)
        (second,) = torch.autograd.grad((first * direction).sum(), x)
        if second.isnan().any():
            return [f"second at {where} inputs in {dtype}"]
    return []


@pytest.mark.parametrize("name", lossatlas.list_losses())
def test_no_derivative_is_nan(name: str) -> None:
    places = itertools.product(
        ["ordinary", "tied", "zero", *map(str, SIZES)], [torch.float64, torch.float32]
    )
    found = [fault for where, dtype in places for fault in faults(name, where, dtype)]
    assert not found


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
