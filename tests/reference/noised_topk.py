"""Garcin et al. (2022): sorted noisy scores, draw by draw, with the generator that is given."""

from statistics import NormalDist

import torch
from mpmath import mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    top_k: mpf,
    epsilon: mpf,
    n_sample: mpf,
    randomness: torch.Generator,
) -> mpf:
    """max(0, 1 + mean of the (k+1)-th largest - s_y)."""
    shape = (int(n_sample), len(logits))
    shares = torch.rand(shape, generator=randomness, dtype=torch.float64).tolist()
    normal = NormalDist()
    with workdps(60):
        total = mpf(0)
        for row in shares:
            noisy = []
            for s, share in zip(logits, row, strict=True):
                noisy.append(s + epsilon * normal.inv_cdf(share))
            noisy.sort(reverse=True)
            total += noisy[min(int(top_k), len(noisy) - 1)]
        return max(mpf(0), 1 + total / int(n_sample) - logits[target])
