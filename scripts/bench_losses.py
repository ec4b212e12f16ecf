"""What losses of logits cost, forward and backward, in units of torch's cross-entropy.

    python scripts/bench_losses.py [NAMES ...] [--rounds 7] [--threads 1]

For N x K logits in float32, and stand-ins for what a loss needs beside them. In each round a loss
and `torch.nn.functional.cross_entropy` take turns, three calls each; printed is the median over the
rounds of the ratio of their CPU times, with the least and the largest. `checks` is the same with
the values of targets checked, as outside of the runner. Losses are sorted by the larger problem.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lossatlas.losses import registry
from lossatlas.losses.examples import ready
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import lift

SIZES = ((512, 10), (4096, 1000))
CALLS = 3
Function = Callable[[Tensor, Tensor], Tensor]


def seconds(function: Function, logits: Tensor, target: Tensor) -> float:
    """CPU seconds of some calls, with the gradient in the logits."""
    begun = time.process_time()
    for _ in range(CALLS):
        logits.grad = None
        function(logits, target).backward()
    return time.process_time() - begun


def ratios(name: str, n: int, k: int, rounds: int, checks: bool = False) -> list[float]:
    """Of a loss's time to that of cross-entropy, one a round."""
    loss = ready(name, k)
    loss.reduction, loss.validate = "mean", checks
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, k + loss.extra_outputs, generator=generator).requires_grad_()
    labels = torch.arange(n) % k
    target = lift(labels, loss.target, k)
    both = ((loss, target), (torch.nn.functional.cross_entropy, labels))
    for function, y in both:  # the first call pays for what later ones share
        seconds(function, logits, y)
    found = []
    for _ in range(rounds):
        ours, theirs = (seconds(function, logits, y) for function, y in both)
        found.append(ours / theirs)
    return found


def main() -> None:
    """Print a line a loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    known = [
        name
        for name in given.names or registry.list_losses()
        if not KINDS[registry.get_class(name).target].on_embeddings
    ]
    rows = []
    for name in known:
        row = [ratios(name, n, k, given.rounds) for n, k in SIZES]
        rows.append((name, *row, ratios(name, *SIZES[0], given.rounds, checks=True)))
    heads = [f"{n} x {k}" for n, k in SIZES] + [f"{SIZES[0][0]} x {SIZES[0][1]}, checks"]
    print(f"{'times cross-entropy':<26}" + "".join(f"{head:>24}" for head in heads))
    for name, *row in sorted(rows, key=lambda row: statistics.median(row[2]), reverse=True):
        cells = [f"{statistics.median(r):.2f} ({min(r):.2f}-{max(r):.2f})" for r in row]
        print(f"{name:<26}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main()
