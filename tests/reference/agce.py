"""Zhou et al. (2021): the shifted power of the label's probability, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int, a: mpf, q: mpf) -> mpf:
    """((a + 1)^q - (a + p_y)^q) / q."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return ((a + 1) ** q - (a + p) ** q) / q
