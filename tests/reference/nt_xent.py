"""Chen et al. (2020), eq. 1, pair by pair, in 60 digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def cosine(u: list[mpf], v: list[mpf]) -> mpf:
    """u . v / (|u| |v|)."""
    dot = sum(a * b for a, b in zip(u, v, strict=True))
    return dot / (sqrt(sum(a * a for a in u)) * sqrt(sum(b * b for b in v)))


def reference(
    embeddings: list[list[list[mpf]]], labels: list[int] | None, temperature: mpf
) -> list[mpf]:
    """-log of the partner's share among the 2N - 1 others, anchor by anchor: view 1, view 2."""
    with workdps(60):
        first, second = embeddings
        views = first + second
        values = []
        for i, anchor in enumerate(views):
            partner = second[i] if i < len(first) else first[i - len(first)]
            numerator = exp(cosine(anchor, partner) / temperature)
            denominator = mpf(0)
            for k, other in enumerate(views):
                if k != i:
                    denominator += exp(cosine(anchor, other) / temperature)
            values.append(-log(numerator / denominator))
        return values
