"""Hou, Yu & Samaras (2016): squared differences of cumulative sums, one by one, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """sum_j (sum_{k <= j} p_k - 1[y <= j])^2."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        value, cumulative = mpf(0), mpf(0)
        for j, s in enumerate(logits):
            cumulative += exp(s) / total
            value += (cumulative - (target <= j)) ** 2
        return value
