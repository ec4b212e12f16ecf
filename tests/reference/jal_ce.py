"""Wang et al. (2025): normalised cross-entropy plus the squared distance, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, beta: mpf, a: mpf) -> mpf:
    """alpha log p_y / sum_k log p_k + (beta / K) sum_k (a [k = y] - p_k)^2."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        active = log(p[target]) / sum(log(mass) for mass in p)
        square = sum(((a if k == target else 0) - x) ** 2 for k, x in enumerate(p))
        return alpha * active + beta * square / len(p)
