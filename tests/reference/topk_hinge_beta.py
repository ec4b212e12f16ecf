"""Lapin, Hein & Schiele (2015), beta version: a maximum over sets of k wrong classes."""

from itertools import combinations

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int, top_k: mpf) -> mpf:
    """The largest mean of k clipped violations, over all sets of k wrong classes."""
    with workdps(60):
        clipped = [max(mpf(0), 1 + s - logits[target]) for j, s in enumerate(logits) if j != target]
        size = min(int(top_k), len(clipped))
        return max(sum(chosen) / size for chosen in combinations(clipped, size))
