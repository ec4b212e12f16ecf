"""Kornblith et al. (2021): log loss and half of beta times the sum of squares, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, beta: mpf) -> mpf:
    """-log p_y + beta sum_k s_k^2 / 2."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return -log(p) + beta * sum(s * s for s in logits) / 2
