"""Boutros et al. (2022), through the angle, with margins from the generator that is given."""

import torch
from mpmath import acos, cos, erfinv, exp, log1p, mpf, sqrt, workdps


def reference(
    logits: list[mpf],
    target: int,
    scale: mpf,
    margin: mpf,
    spread: mpf,
    variant: mpf,
    randomness: torch.Generator,
) -> mpf:
    """-log softmax of scale cos theta_j, with cos(theta_y + m_i) or cos theta_y - m_i."""
    share = mpf(torch.rand((), generator=randomness, dtype=torch.float64).item())
    with workdps(60):
        cosines = [max(mpf(-1), min(mpf(1), c)) for c in logits]
        drawn = margin + spread * sqrt(2) * erfinv(2 * share - 1)
        score = cosines[target] - drawn if variant else cos(acos(cosines[target]) + drawn)
        others = sum(exp(scale * c) for k, c in enumerate(cosines) if k != target)
        return log1p(others / exp(scale * score))
