"""Chowdhery et al. (2022): log loss plus lam times the squared log of Z, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, lam: mpf) -> mpf:
    """-log(e^{s_y} / Z) + lam log(Z)^2 with Z = sum_k e^{s_k}."""
    with workdps(60):
        z = sum(exp(s) for s in logits)
        return -log(exp(logits[target]) / z) + lam * log(z) ** 2
