"""Kornblith et al. (2021): sigmoid cross-entropy summed over classes, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """log(1 + exp(-s_y)) + sum_{k != y} log(1 + exp(s_k))."""
    with workdps(60):
        wrong = sum(log1p(exp(s)) for k, s in enumerate(logits) if k != target)
        return log1p(exp(-logits[target])) + wrong
