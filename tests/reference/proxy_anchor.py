"""Kim et al. (2020), eq. 4, proxy by proxy, in 60 digits."""

from mpmath import exp, log1p, mpf, sqrt, workdps


def reference(
    embeddings: list[list[list[mpf]]],
    labels: list[int],
    scale: mpf,
    margin: mpf,
    num_classes: int,
    feature_dim: int,
    proxies: list[list[mpf]],
) -> mpf:
    """The mean of the pulls over proxies with samples, and of the pushes over all."""
    with workdps(60):
        pulls, pushes = [], []
        for c, proxy in enumerate(proxies):
            s = [_cosine(z, proxy) for z in embeddings[0]]
            if c in labels:
                own = [a for a, y in zip(s, labels, strict=True) if y == c]
                pulls.append(log1p(sum(exp(-scale * (a - margin)) for a in own)))
            others = [a for a, y in zip(s, labels, strict=True) if y != c]
            pushes.append(log1p(sum(exp(scale * (a + margin)) for a in others)))
        return sum(pulls) / len(pulls) + sum(pushes) / len(pushes)


def _cosine(u: list[mpf], v: list[mpf]) -> mpf:
    dot = sum(a * b for a, b in zip(u, v, strict=True))
    return dot / sqrt(sum(a * a for a in u)) / sqrt(sum(b * b for b in v))
