"""Berrada, Zisserman & Kumar (2018): the sums over all sets of k classes, one by one."""

from itertools import combinations

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, top_k: mpf, temperature: mpf, margin: mpf) -> mpf:
    """T log(1 + weight of the sets without y / weight of the sets with y)."""
    with workdps(60):
        size = min(int(top_k), len(logits) - 1)
        within, without = mpf(0), mpf(0)
        for chosen in combinations(range(len(logits)), size):
            mean = sum(logits[j] for j in chosen) / size
            if target in chosen:
                within += exp(mean / temperature)
            else:
                without += exp((margin + mean) / temperature)
        return temperature * log1p(without / within)
