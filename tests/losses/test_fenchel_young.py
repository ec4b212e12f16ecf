"""Fenchel-Young losses: the gradient is p - e_y, and it can be differentiated once more."""

import pytest
import torch
from mpmath import mpf, workdps
from torch import Tensor

import lossatlas
from lossatlas.contract.inputs import find_reference, make, seeded
from lossatlas.losses.fenchel_young import sparsemax_loss
from lossatlas.losses.targets import lift


def _p(name: str, s: Tensor) -> Tensor:
    """The probabilities, (N, K), from a threshold found by bisection."""
    x, power = (s, 1) if name == "sparsemax_loss" else (s / 2, 2)
    low, high = x.amax(1, keepdim=True) - 1, x.amax(1, keepdim=True)
    for _ in range(80):
        middle = (low + high) / 2
        heavy = ((x - middle).relu() ** power).sum(1, keepdim=True) >= 1
        low, high = torch.where(heavy, middle, low), torch.where(heavy, high, middle)
    return (x - low).relu() ** power


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ["sparsemax_loss", "entmax15_loss"])
def test_gradient_is_p_minus_one_hot(name: str, dtype: torch.dtype) -> None:
    loss = lossatlas.get_loss(name, "sum")
    # Multiples of 1/8 put many classes exactly on the border of the support; 0.1 rounds them.
    eighths = torch.randint(-16, 16, (500, 6), generator=seeded(0)) / 8
    noise = torch.randn(500, 6, generator=seeded(1))
    labels = torch.arange(500) % 6
    for scores in (eighths, eighths + 0.1, noise, 1e4 * noise):
        s = scores.to(dtype).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(s, labels), s)
        p = _p(name, s.detach().double())
        expected = p - torch.nn.functional.one_hot(labels, 6)
        tolerance = 1e-11 if dtype == torch.float64 else 1e-6
        torch.testing.assert_close(gradient.double(), expected, atol=tolerance, rtol=0)


FAMILY: list[tuple[str, dict[str, float]]] = [
    ("sparsemax_loss", {}),
    ("entmax15_loss", {}),
    *(("entmax_loss", {"alpha": alpha}) for alpha in (1.2, 1.5, 2, 4)),
    ("fenchel_young", {"alpha": 1.5}),
    *(("f_divergence_fy", {"alpha": 1.5, "prior": prior}) for prior in (0, 1)),
]


@pytest.mark.parametrize(("name", "given"), FAMILY)
def test_second_derivative_is_that_of_the_gradient(name: str, given: dict[str, float]) -> None:
    for k in (2, 5):
        loss = make(name, "sum", k, **given)
        s = torch.randn(8, k, generator=seeded(k), dtype=torch.float64).requires_grad_()
        target = lift(torch.arange(8) % k, loss.target, k)
        assert torch.autograd.gradgradcheck(lambda x, y=target, f=loss: f(x, y), s)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("alpha", [1.2, 1.5, 2.0, 3.0])
def test_second_derivative_is_that_of_the_formula_at_50_digits(
    alpha: float, dtype: torch.dtype
) -> None:
    s, v = [0.5, -0.25, 0.0, -1.5, 0.375], [1.0, -0.5, 2.0, 0.25, -1.0]
    reference = find_reference("entmax_loss")
    assert reference is not None
    with workdps(50):
        h = mpf(2) ** -27
        ahead, here, behind = (
            reference([x + i * h * d for x, d in zip(s, v, strict=True)], 1, mpf(alpha))
            for i in (1, 0, -1)
        )
        expected = float((ahead - 2 * here + behind) / h**2)
    x = torch.tensor([s], dtype=dtype, requires_grad=True)
    y, way = torch.tensor([1]), torch.tensor([v], dtype=dtype)
    loss = lossatlas.get_loss("entmax_loss", alpha=alpha)
    (slope,) = torch.autograd.grad(loss(x, y), x, create_graph=True)
    (bent,) = torch.autograd.grad((slope * way).sum(), x)
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    assert (bent * way).sum().item() == pytest.approx(expected, rel=tolerance)


def test_classes_without_a_chance_have_no_derivative() -> None:
    s = torch.tensor([[0.5, -torch.inf, 0.0]], dtype=torch.float64, requires_grad=True)
    loss = lossatlas.get_loss("entmax_loss", alpha=1.7)
    (slope,) = torch.autograd.grad(loss(s, torch.tensor([2])), s, create_graph=True)
    (bent,) = torch.autograd.grad(slope[0, 0], s)
    assert slope.isfinite().all()
    assert bent.isfinite().all()
    assert slope[0, 1] == bent[0, 1] == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("power", [1, 2])
def test_the_threshold_holds_for_the_scores_that_take_newton_longest(
    power: int, dtype: torch.dtype
) -> None:
    k = 1000
    i = torch.arange(k, dtype=torch.float64)
    rows = [
        torch.zeros(k),  # all tied
        torch.where(i == 0, 0.0, -1.0),  # on the threshold itself
        -(0.5**i),  # gaps that halve, where each step leaves one score behind
        -1 + 0.5**i,
        -(i / k),
        torch.where(i == 0, 0.0, -1e4),
    ]
    s = torch.stack(rows).to(dtype)
    tau = sparsemax_loss.threshold(s, power)
    total = ((s - tau).relu().double() ** power).sum(1)
    error = 4 * k * torch.finfo(dtype).eps  # of a sum of K numbers that each were rounded
    assert (total - 1).abs().max() < error
