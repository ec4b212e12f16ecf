"""Reed et al. (2015): cross-entropy to the mixed target, class by class, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, beta: mpf) -> mpf:
    """-sum_k (beta [k = y] + (1 - beta) p_k) log p_k."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        value = mpf(0)
        for k, s in enumerate(logits):
            p = exp(s) / total
            value -= (beta * (1 if k == target else 0) + (1 - beta) * p) * log(p)
        return value
