"""Xu et al. (2019): the determinant of the joint matrix by its permutations, in many digits."""

from itertools import permutations
from math import prod

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    lam: mpf,
    eps: mpf,
    shares: mpf,
    warmup: mpf,
    progress: float,
) -> mpf:
    """One number for the batch; the sum of signed products of entries, one of each row."""
    with workdps(60):
        n, k = len(logits), len(logits[0])
        p = [[exp(v - max(s)) / sum(exp(w - max(s)) for w in s) for v in s] for s in logits]
        if progress < warmup:
            tops = [log(sum(exp(v - max(s)) for v in s)) + max(s) for s in logits]
            return sum(t - s[y] for t, s, y in zip(tops, logits, target, strict=True)) / n
        joint = [[mpf(0)] * k for _ in range(k)]
        for row, y in zip(p, target, strict=True):
            joint[y] = [a + b for a, b in zip(joint[y], row, strict=True)]
        det = mpf(0)
        for order in permutations(range(k)):
            swaps = sum(order[i] > order[j] for i in range(k) for j in range(i + 1, k))
            det += (-1) ** swaps * prod((joint[i][order[i]] for i in range(k)), start=mpf(1))
        return lam * (shares * k * log(mpf(n)) - log(abs(det) + eps))
