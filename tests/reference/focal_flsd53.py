"""Mukhoti et al. (2020): the focal loss with the exponent looked up at p_y, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf], target: int, gamma_low: mpf, gamma_high: mpf, threshold: mpf
) -> mpf:
    """-(1 - p_y)^gamma(p_y) log p_y, where 1 - p_y is the mass of the other classes."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = exp(logits[target]) / total
        rest = sum(exp(s) for k, s in enumerate(logits) if k != target) / total
        return -(rest ** (gamma_low if p < threshold else gamma_high)) * log(p)
