"""Sypherd et al. (2022): the formula with its branch at alpha = 1, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf) -> mpf:
    """alpha / (alpha - 1) (1 - p_y^(1 - 1/alpha)), or -log p_y."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        if alpha == 1:
            return -log(p)
        return alpha / (alpha - 1) * (1 - p ** (1 - 1 / alpha))
