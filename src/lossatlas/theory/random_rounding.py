"""How much of a float64 result is rounding, for code that has no 50-digit form.

The code runs several times while each number that it computes is moved by a random part of its last
place (Monte Carlo arithmetic: Parker, 1997; Vignes, 2004); what the results differ by is rounding.
This works for any torch code, gradients included, but sees nothing of numpy's arithmetic.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lossatlas.theory.design import generator

RUNS = 12
SAFETY = 10  # of the bound over the range of the results


class RandomRounding(TorchDispatchMode):
    """Within it, torch moves each computed number towards zero by up to one unit in the last place.

    Towards zero, so that no probability exceeds one. What an operation merely selects from its
    arguments stays as it is.
    """

    def __init__(self, g: torch.Generator):
        super().__init__()
        self._generator = g

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = torch.cat([torch.zeros(1, dtype=torch.float64), *_sizes((args, kwargs))])
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and x.is_floating_point() and x.numel():
                parts = torch.rand(x.shape, generator=self._generator, dtype=torch.float64)
                moved = x * (1 - torch.finfo(x.dtype).eps * parts)
                selected = torch.isin(x.double().abs(), given)
                if not selected.all():
                    x.copy_(torch.where(selected, x, moved.to(x.dtype)))
        return out


def measured(compute: Callable[[], float]) -> tuple[float, float]:
    """The mean of a float64 computation over runs with random rounding, and a bound on its error.

    Infinite results give themselves with the error zero where all agree, else NaN.
    """
    g = generator()
    results = []
    for _ in range(RUNS):
        with RandomRounding(g):
            results.append(compute())
    if len(set(results)) == 1:
        return results[0], 0.0
    if not all(map(math.isfinite, results)):
        return math.nan, math.inf
    return math.fsum(results) / RUNS, SAFETY * (max(results) - min(results))


def _sizes(arguments: Any) -> Iterator[Tensor]:
    """The absolute values of all numbers among the arguments."""
    for x in tree_leaves(arguments):
        if isinstance(x, Tensor):
            yield x.detach().double().abs().flatten()
        elif isinstance(x, int | float):
            yield torch.tensor([abs(x)], dtype=torch.float64)
