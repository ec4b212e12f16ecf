"""Martins & Astudillo (2016): the sparsemax loss, by trying every support."""

from itertools import combinations

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """(1 - |p|^2)/2 + <p, s> - s_y at the p of the simplex that makes it largest.

    On a support S the best p has p_j = s_j - (sum_S s - 1)/|S|; the support that wins is searched.
    """
    with workdps(60):
        values = []
        for size in range(1, len(logits) + 1):
            for support in combinations(logits, size):
                tau = (sum(support) - 1) / mpf(size)
                p = [s - tau for s in support]
                if min(p) >= 0:
                    inner = sum(a * s for a, s in zip(p, support, strict=True))
                    values.append((1 - sum(a**2 for a in p)) / 2 + inner)
        return max(values) - logits[target]
