"""Zhou et al. (2021): the asymmetric exponential loss, in 60 digits."""

from mpmath import e, exp, mpf, workdps


def reference(logits: list[mpf], target: int, a: mpf) -> mpf:
    """e to the power -p_y / a, where p_y is one over the sum of exp(s_k - s_y)."""
    with workdps(60):
        return (+e) ** (-1 / (a * sum(exp(s - logits[target]) for s in logits)))
