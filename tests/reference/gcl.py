"""Li et al. (2022): cosines, each with its own noise, in 60 digits."""

import torch
from mpmath import erfinv, exp, log, mpf, sqrt, workdps


def reference(
    logits: list[mpf],
    target: int,
    scale: mpf,
    margin: mpf,
    noise_mul: mpf,
    class_counts: list[mpf],
    randomness: torch.Generator,
) -> mpf:
    """Cross-entropy of scale (z_k - noise_mul delta_k |e_k| - margin [k = y])."""
    with workdps(60):
        most = max(class_counts)
        widest = log(most / min(class_counts))
        scores = []
        for k, z in enumerate(logits):
            share = mpf(torch.rand((), generator=randomness, dtype=torch.float64).item())
            e = min(mpf(1), abs(sqrt(2) * erfinv(2 * share - 1)) / 3)
            delta = log(most / class_counts[k]) / widest if widest else mpf(0)
            scores.append(scale * (z - noise_mul * delta * e - (margin if k == target else 0)))
        return log(sum(exp(v - scores[target]) for v in scores))
