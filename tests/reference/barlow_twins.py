"""Zbontar et al. (2021), eqs. 1 and 2, entry by entry, in 60 digits."""

from mpmath import mpf, sqrt, workdps


def reference(
    embeddings: list[list[list[mpf]]], labels: list[int] | None, lam: mpf, eps: mpf, factor: mpf
) -> mpf:
    """sum_i (1 - C_ii)^2 + lam sum_{i != j} C_ij^2, with eps beside both variances."""
    with workdps(60):
        n = len(embeddings[0])
        first, second = (
            [_centred(list(f)) for f in zip(*view, strict=True)] for view in embeddings
        )
        total = mpf(0)
        for i, a in enumerate(first):
            for j, b in enumerate(second):
                cross = sum(x * y for x, y in zip(a, b, strict=True)) / n
                scale = sqrt(_variance(a) + eps) * sqrt(_variance(b) + eps)
                c = cross / scale if scale else mpf(0)
                total += (1 - c) ** 2 if i == j else lam * c**2
        return factor * total


def _centred(feature: list[mpf]) -> list[mpf]:
    mean = sum(feature) / len(feature)
    return [x - mean for x in feature]


def _variance(feature: list[mpf]) -> mpf:
    return sum(x * x for x in feature) / len(feature)
