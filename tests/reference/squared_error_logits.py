"""Hui & Belkin (2021): mean squared distance of the scores to the one-hot label."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """(1/K) sum_k (s_k - 1[k = y])^2."""
    with workdps(60):
        return sum((s - (k == target)) ** 2 for k, s in enumerate(logits)) / len(logits)
