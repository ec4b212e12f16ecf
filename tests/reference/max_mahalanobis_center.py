"""Pang et al. (2020): the squared distance by the law of cosines, in 60 digits."""

from mpmath import mpf, sqrt, workdps


def reference(logits: list[mpf], target: int, radius: mpf, features: list[mpf]) -> mpf:
    """|z|^2 - 2 C |z| cos + C^2."""
    with workdps(60):
        square = sum(x * x for x in features)
        return square - 2 * radius * sqrt(square) * logits[target] + radius**2
