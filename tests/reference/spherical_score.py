"""The spherical scoring rule as Gneiting & Raftery (2007) have it, negated, in 60 digits."""

from mpmath import exp, mpf, sqrt, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """-p_y / sqrt(sum_k p_k^2)."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        return -p[target] / sqrt(sum(q * q for q in p))
