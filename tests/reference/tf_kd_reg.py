"""Yuan et al. (2020): cross-entropy and the divergence from the made-up teacher, from p and u."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, a: mpf, temperature: mpf, alpha: mpf, m: mpf) -> mpf:
    """(1 - alpha) (-log p_y) + alpha (m / K) sum_k u_k log(u_k / p_k)."""
    with workdps(60):

        def softmax(scores: list[mpf]) -> list[mpf]:
            powers = [exp(s) for s in scores]
            return [power / sum(powers) for power in powers]

        k = len(logits)
        right = [a if j == target else (1 - a) / (k - 1) for j in range(k)]
        u, p = softmax([r / temperature for r in right]), softmax(logits)
        divergence = sum(b * log(b / q) for b, q in zip(u, p, strict=True))
        return -(1 - alpha) * log(p[target]) + alpha * m / k * divergence
