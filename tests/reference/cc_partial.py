"""Feng et al. (2020): the log loss of the candidates' mass, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: set[int]) -> mpf:
    """-log P = log(1 + odds against), by the sums of exp s inside the set and outside of it."""
    with workdps(60):
        inside = sum(exp(logits[j]) for j in target)
        outside = sum(exp(s) for j, s in enumerate(logits) if j not in target)
        return log1p(outside / inside)
