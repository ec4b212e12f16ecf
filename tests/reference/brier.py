"""Brier (1950): squared distance of the softmax to the one-hot label, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """sum_k (p_k - 1[k = y])^2."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        return sum((exp(s) / total - (k == target)) ** 2 for k, s in enumerate(logits))
