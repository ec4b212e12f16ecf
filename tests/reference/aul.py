"""Zhou et al. (2021): the asymmetric unhinged loss as it stands there, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int, a: mpf, q: mpf) -> mpf:
    """((a - p_y)^q - (a - 1)^q) / q."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return ((a - p) ** q - (a - 1) ** q) / q
