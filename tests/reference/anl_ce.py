"""Ye et al. (2023): normalised cross-entropy and its negative counterpart, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, beta: mpf, p_min: mpf) -> mpf:
    """alpha NCE + beta (1 - (A + log p_y) / sum_k (A + log p_k)), A = -log p_min, p >= p_min."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        active = log(p[target]) / sum(log(mass) for mass in p)
        worst = -log(p_min)
        left = [worst + log(max(mass, p_min)) for mass in p]
        return alpha * active + beta * (1 - left[target] / sum(left))
