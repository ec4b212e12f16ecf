"""Crammer & Singer (2001): the hinge of the margin to the best wrong class."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int, margin: mpf) -> mpf:
    """max(0, margin - (s_y - max_{j != y} s_j))."""
    with workdps(60):
        best_wrong = max(s for k, s in enumerate(logits) if k != target)
        return max(mpf(0), margin - (logits[target] - best_wrong))
