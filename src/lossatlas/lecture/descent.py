"""Plain gradient descent on scores: what a loss asks for, when nothing else is in the way."""

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 400


def descend(
    loss: Callable[[Tensor], Tensor], start: Tensor, steps: int = STEPS, rate: float = 2.0
) -> Tensor:
    """Scores (steps + 1, N, K) along the way from `start` (N, K), each row on its own.

    `loss` gives one value per row. The rate 2 is the safe one for losses whose gradient has
    Lipschitz constant 1/2, as log-sum-exp has.
    """
    path = [start]
    for _ in range(steps):
        here = path[-1].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(here).sum(), here)
        path.append(here.detach() - rate * gradient)
    return torch.stack(path)
