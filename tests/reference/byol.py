"""Grill et al. (2020), eq. 2: squared distances of unit vectors, in 60 digits."""

from mpmath import mpf, sqrt, workdps


def reference(
    embeddings: list[list[list[mpf]]],
    labels: list[int] | None,
    base_tau: mpf,
    keys: list[list[list[mpf]]],
) -> list[mpf]:
    """|q1 - k2|^2 + |q2 - k1|^2, sample by sample."""
    with workdps(60):
        return [
            _apart(q1, k2) + _apart(q2, k1)
            for q1, q2, k1, k2 in zip(*embeddings, *keys, strict=True)
        ]


def _apart(q: list[mpf], k: list[mpf]) -> mpf:
    a, b = (sqrt(sum(x * x for x in v)) for v in (q, k))
    return sum((x / a - y / b) ** 2 for x, y in zip(q, k, strict=True))
