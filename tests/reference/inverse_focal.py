"""Wang et al. (2021): (1 + p_y)^gamma times the log loss, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma: mpf) -> mpf:
    """-(1 + p_y)^gamma log p_y."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return -((1 + p) ** gamma) * log(p)
