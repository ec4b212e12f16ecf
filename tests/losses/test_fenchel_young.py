"""Fenchel-Young losses: the gradient is p - e_y, and it can be differentiated once more."""

import pytest
import torch
from torch import Tensor

import lossatlas
from lossatlas.contract.inputs import seeded


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


@pytest.mark.parametrize("name", ["sparsemax_loss", "entmax15_loss"])
def test_second_derivative_is_that_of_the_gradient(name: str) -> None:
    loss = lossatlas.get_loss(name, "sum")
    for k in (2, 5):
        s = torch.randn(8, k, generator=seeded(k), dtype=torch.float64).requires_grad_()
        labels = torch.arange(8) % k
        assert torch.autograd.gradgradcheck(lambda x, y=labels: loss(x, y), s)
