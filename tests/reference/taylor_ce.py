"""Feng et al. (2020): t terms of the series of -log p about p = 1, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int, t: mpf) -> mpf:
    """sum_{i=1}^t (1 - p_y)^i / i."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return sum(((1 - p) ** i / i for i in range(1, int(t) + 1)), mpf(0))
