"""Zhou et al. (2021): cross-entropy on a sphere plus powers of the softmax, in many digits."""

from mpmath import exp, floor, log, mpf, sqrt, workdps


def reference(
    logits: list[mpf], target: int, tau: mpf, p: mpf, lam: mpf, rho: mpf, r: mpf, epoch: int
) -> mpf:
    """-log q_y + lam_t sum_k q_k^p with q = softmax(s / (tau |s|))."""
    with workdps(60):
        length = sqrt(sum(s * s for s in logits))
        weights = [exp(s / (tau * length)) for s in logits]
        q = [w / sum(weights) for w in weights]
        weight = lam * rho ** floor(epoch / r)
        return -log(q[target]) + weight * sum(x**p for x in q)
