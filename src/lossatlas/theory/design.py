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


def gaussian(k: int) -> Tensor:
    """Normal logits (10500, k) float64, at seven scales from 0.01 to 30."""
    g = generator()
    return torch.cat([s * torch.randn(1500, k, generator=g, dtype=torch.float64) for s in SCALES])


def ties(k: int, each: int = 60) -> Tensor:
    """Logits (N, k) where 2 to k classes tie, exactly and nearly, and the rest lag by a gap."""
    g = generator()
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


def margins(k: int) -> Tensor:
    """Logits (1600, k): class 0 leads by m in [-40, 40]; rivals tie, or one of them leads."""
    m = torch.linspace(-40, 40, 400, dtype=torch.float64)
    rows = []
    for lag in (0.0, 1.0, 5.0, 50.0):
        s = torch.full((len(m), k), -lag, dtype=torch.float64)
        s[:, 0] = m
        s[:, 1] = 0
        rows.append(s)
    return torch.cat(rows)


def points(k: int) -> tuple[Tensor, Tensor]:
    """About 20,000 logits (N, k) with class indices (N,) that cycle through all labels."""
    logits = torch.cat([torch.zeros(k, k, dtype=torch.float64), gaussian(k), ties(k), margins(k)])
    return logits, torch.arange(len(logits)) % k
