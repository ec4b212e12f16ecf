"""Nguyen & Caruana (2008) and the MATH 462 course notes: the hinge of a set's margin."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: set[int]) -> mpf:
    """max(0, 1 - (max over K+ - max over the rest))."""
    with workdps(60):
        best_inside = max(s for k, s in enumerate(logits) if k in target)
        best_outside = max(s for k, s in enumerate(logits) if k not in target)
        return max(mpf(0), 1 - (best_inside - best_outside))
