"""Where to look: logits at which properties of losses fail, if they fail.

Random logits alone miss thin regions. Cross-entropy attains its largest curvature only where two
classes tie and the others vanish, and the focal loss is non-convex only near there; so ties,
corners and ladders of scales are part of every search.
"""

import torch
from torch import Generator, Tensor

SEED = 0
SCALES = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
GAPS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)


def generator(seed: int = SEED) -> Generator:
    """A random generator of its own for each check, so that none depends on another."""
    return Generator().manual_seed(seed)


def gaussian(k: int, each: int = 1500, seed: int = SEED) -> Tensor:
    """Normal logits (7 * each, k) float64, at seven scales from 0.01 to 30."""
    g = generator(seed)
    return torch.cat([s * torch.randn(each, k, generator=g, dtype=torch.float64) for s in SCALES])


def ties(k: int, each: int = 60, seed: int = SEED) -> Tensor:
    """Logits (N, k) where 2 to k classes tie, exactly and nearly, and the rest lag by a gap."""
    g = generator(seed)
    rows = []
    for tied in range(2, k + 1):
        for gap in GAPS:
            for jitter in (0.0, 0.01, 0.3, 1.0):
                base = torch.full((each, k), -gap, dtype=torch.float64)
                base[:, :tied] = 0
                base += jitter * torch.randn(each, k, generator=g, dtype=torch.float64)
                order = torch.rand(each, k, generator=g).argsort(1)
                rows.append(base.gather(1, order))
    return torch.cat(rows)


def margins(k: int, n: int = 400, reach: float = 40.0) -> Tensor:
    """Logits (4 n, k): class 0 leads by m in [-reach, reach]; rivals tie, or one of them leads."""
    m = torch.linspace(-reach, reach, n, dtype=torch.float64)
    rows = []
    for lag in (0.0, 1.0, 5.0, 50.0):
        s = torch.full((n, k), -lag, dtype=torch.float64)
        s[:, 0] = m
        s[:, 1] = 0
        rows.append(s)
    return torch.cat(rows)


def points(k: int) -> tuple[Tensor, Tensor]:
    """About 20,000 logits (N, k) with class indices (N,) that cycle through all labels."""
    logits = torch.cat([torch.zeros(k, k, dtype=torch.float64), gaussian(k), ties(k), margins(k)])
    return logits, torch.arange(len(logits)) % k


def posteriors(k: int, n: int = 32, seed: int = SEED) -> Tensor:
    """Label probabilities (N, k) to test decisions with: hand-made ones, then random ones.

    Among the first are those without a majority, with near ties, and with one; all have a unique
    largest entry.
    """
    made = [
        [0.45, 0.35, 0.10, 0.10], [0.40, 0.30, 0.20, 0.10], [0.28, 0.26, 0.24, 0.22],
        [0.34, 0.33, 0.32, 0.01], [0.49, 0.48, 0.02, 0.01], [0.60, 0.20, 0.15, 0.05],
        [0.90, 0.05, 0.03, 0.02], [0.10, 0.20, 0.30, 0.40],
    ]  # fmt: skip
    g = generator(seed)
    rows = [torch.tensor(made, dtype=torch.float64)] if k == 4 else []
    if k == 2:
        p = torch.tensor([0.501, 0.55, 0.6, 0.75, 0.9, 0.99], dtype=torch.float64)
        rows = [torch.stack([p, 1 - p], 1), torch.stack([1 - p, p], 1)]
    for scale in (0.5, 1.0, 2.0):
        scores = scale * torch.randn(n // 3 + 1, k, generator=g, dtype=torch.float64)
        rows.append(torch.softmax(scores, 1))
    return torch.cat(rows)
