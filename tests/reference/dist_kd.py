"""Huang et al. (2022): correlations by sums over samples and classes, in 60 digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    beta: mpf,
    gamma: mpf,
    temperature: mpf,
    teacher_logits: list[list[mpf]],
) -> mpf:
    """One number for the batch."""
    with workdps(60):

        def softmax(scores: list[mpf], by: mpf) -> list[mpf]:
            powers = [exp(s / by) for s in scores]
            return [power / sum(powers) for power in powers]

        def correlation(a: list[mpf], b: list[mpf]) -> mpf:
            a, b = [v - sum(a) / len(a) for v in a], [v - sum(b) / len(b) for v in b]
            product = sum(v * w for v, w in zip(a, b, strict=True))
            lengths = sqrt(sum(v * v for v in a)) * sqrt(sum(w * w for w in b))
            return product / (lengths + mpf(1e-8))

        p = [softmax(row, temperature) for row in logits]
        q = [softmax(row, temperature) for row in teacher_logits]
        inter = [1 - correlation(a, b) for a, b in zip(p, q, strict=True)]
        columns = zip(zip(*p, strict=True), zip(*q, strict=True), strict=True)
        intra = [1 - correlation(list(a), list(b)) for a, b in columns]
        right = [softmax(row, mpf(1))[y] for row, y in zip(logits, target, strict=True)]
        value = sum(-log(r) for r in right) / len(right)
        value += temperature**2 * beta * sum(inter) / len(inter)
        return value + temperature**2 * gamma * sum(intra) / len(intra)
