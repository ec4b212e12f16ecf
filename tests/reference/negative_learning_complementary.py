"""Chou et al. (2020): the probability of the classes that are left, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """-log(1 - p_c), where 1 - p_c is the others' mass: at a score of 1e4 it is 1e-4343."""
    with workdps(60):
        others = sum(exp(s) for k, s in enumerate(logits) if k != target)
        return log((others + exp(logits[target])) / others)
