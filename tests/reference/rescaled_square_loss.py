"""Hui & Belkin (2021): squares of the scores, term by term, in 60 digits."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int, kappa: mpf, M: mpf) -> mpf:
    """(kappa (s_y - M)^2 + sum_{j != y} s_j^2) / K."""
    with workdps(60):
        value = mpf(0)
        for j, s in enumerate(logits):
            value += kappa * (s - M) ** 2 if j == target else s**2
        return value / len(logits)
