"""Zhou et al. (2021): normalised cross-entropy plus the shifted power of p_y, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, beta: mpf, a: mpf, q: mpf) -> mpf:
    """alpha log p_y / sum_k log p_k + beta ((a + 1)^q - (a + p_y)^q) / q."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        active = log(p[target]) / sum(log(mass) for mass in p)
        return alpha * active + beta * ((a + 1) ** q - (a + p[target]) ** q) / q
