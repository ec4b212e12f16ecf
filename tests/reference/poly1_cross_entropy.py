"""Leng et al. (2022): Poly-1 on the softmax, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, epsilon_1: mpf) -> mpf:
    """-log p_y + epsilon_1 (1 - p_y)."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return -log(p) + epsilon_1 * (1 - p)
