"""Ma et al. (2020): normalised cross-entropy plus the mass off the label, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, beta: mpf) -> mpf:
    """alpha (log p_y / sum_k log p_k) + beta sum_{k != y} p_k."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        active = log(p[target]) / sum(log(mass) for mass in p)
        passive = sum((mass for k, mass in enumerate(p) if k != target), mpf(0))
        return alpha * active + beta * passive
