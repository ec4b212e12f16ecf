"""Szegedy et al. (2016): cross-entropy to a smoothed target, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, epsilon: mpf) -> mpf:
    """-sum_k q'_k log p_k with q'_k = (1 - epsilon) [k = y] + epsilon / K."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        value = mpf(0)
        for k, s in enumerate(logits):
            smoothed = (1 - epsilon) * (1 if k == target else 0) + epsilon / len(logits)
            value -= smoothed * log(exp(s) / total)
        return value
