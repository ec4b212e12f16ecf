"""Softmax cross-entropy: the negative logarithm of the softmax, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """-log p_y."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        return -log(exp(logits[target]) / total)
