"""Lapin, Hein & Schiele (2015), alpha version: a maximum over sets of k wrong classes."""

from itertools import combinations

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int, top_k: mpf) -> mpf:
    """The largest mean of k violations, over all sets of k wrong classes, or zero."""
    with workdps(60):
        violations = [1 + s - logits[target] for j, s in enumerate(logits) if j != target]
        size = min(int(top_k), len(violations))
        return max(mpf(0), max(sum(chosen) / size for chosen in combinations(violations, size)))
