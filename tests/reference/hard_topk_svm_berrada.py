"""Berrada, Zisserman & Kumar (2018): the best set of k classes against the best with the label."""

from itertools import combinations

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int, top_k: mpf, margin: mpf) -> mpf:
    """max_B (margin [y not in B] + mean_B s) - max_{B with y} mean_B s, for sets B of k classes."""
    with workdps(60):
        size = min(int(top_k), len(logits) - 1)
        sets = list(combinations(range(len(logits)), size))
        means = {chosen: sum(logits[j] for j in chosen) / size for chosen in sets}
        best = max(means[b] + (mpf(0) if target in b else margin) for b in sets)
        return best - max(means[b] for b in sets if target in b)
