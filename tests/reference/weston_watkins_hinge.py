"""Weston & Watkins (1999): the hinge summed over all wrong classes."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int, margin: mpf, p: mpf) -> mpf:
    """sum_{j != y} max(0, margin - (s_y - s_j))^p."""
    with workdps(60):
        s_y = logits[target]
        wrong = [s for k, s in enumerate(logits) if k != target]
        return sum(max(mpf(0), margin - (s_y - s_j)) ** p for s_j in wrong)
