"""Rifkin & Klautau (2004): one binary hinge per class, summed."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """max(0, 1 - s_y) + sum_{j != y} max(0, 1 + s_j)."""
    with workdps(60):
        wrong = sum(max(mpf(0), 1 + s) for k, s in enumerate(logits) if k != target)
        return max(mpf(0), 1 - logits[target]) + wrong
