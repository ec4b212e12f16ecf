"""Peters et al. (2019): the 1.5-entmax loss, by trying every support."""

from itertools import combinations

from mpmath import mpf, sqrt, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """(1 - sum p^1.5)/0.75 + <p, s> - s_y at the p of the simplex that makes it largest.

    On a support the best p has p_j = (s_j/2 - tau)^2, all roots positive and their squares summing
    to one: a quadratic equation for tau. The support that wins is searched.
    """
    with workdps(60):
        values = []
        for size in range(1, len(logits) + 1):
            for support in combinations(logits, size):
                b = sum(s / 2 for s in support)
                c = sum((s / 2) ** 2 for s in support) - 1
                if b**2 < size * c:
                    continue
                tau = (b - sqrt(b**2 - size * c)) / size
                roots = [s / 2 - tau for s in support]
                if min(roots) >= 0:
                    inner = sum(r**2 * s for r, s in zip(roots, support, strict=True))
                    values.append((1 - sum(r**3 for r in roots)) * 4 / 3 + inner)
        return max(values) - logits[target]
