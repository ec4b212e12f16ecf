"""Chen et al. (2019): entropy of the wrong classes' shares, times a power of p_y, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, left_out: mpf) -> mpf:
    """p_y^alpha sum_{j != y} (p_j / (1 - p_y)) log(p_j / (1 - p_y)) / log(K - left_out)."""
    with workdps(60):
        wrong = [exp(s) for j, s in enumerate(logits) if j != target]
        if len(wrong) == 1:
            return mpf(0)
        shares = [w / sum(wrong) for w in wrong]
        p = exp(logits[target]) / (exp(logits[target]) + sum(wrong))
        return p**alpha * sum(q * log(q) for q in shares) / log(len(logits) - left_out)
