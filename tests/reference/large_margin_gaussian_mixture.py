"""Wan et al. (2018) with unit covariances: densities, one by one, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, lam: mpf) -> mpf:
    """-log(g_y / (g_y + sum of the others' e^(-d))) + lam d_y, with g_y = e^(-(1 + alpha) d_y)."""
    with workdps(60):
        d = [s**2 / 2 for s in logits]
        own = exp(-(1 + alpha) * d[target])
        others = sum(exp(-x) for k, x in enumerate(d) if k != target)
        return log(own + others) + (1 + alpha) * d[target] + lam * d[target]
