"""Zhang & Sabuncu (2018): the truncated loss by its two branches, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(
    logits: list[mpf], target: int, q: mpf, threshold: mpf, start: mpf, progress: float
) -> mpf:
    """(1 - x^q) / q at x = p_y, or at x = threshold where p_y is less, once pruning has begun."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        x = threshold if progress >= start and p <= threshold else p
        return (1 - x**q) / q
