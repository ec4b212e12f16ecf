"""Barz & Denzler (2020): half the squared distance of two unit vectors."""

from mpmath import mpf, sqrt, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """|s / |s| - e_y|^2 / 2; 1 where s is zero."""
    with workdps(60):
        length = sqrt(sum(s**2 for s in logits))
        if length == 0:
            return mpf(1)
        apart = [s / length - (k == target) for k, s in enumerate(logits)]
        return sum(x**2 for x in apart) / 2
