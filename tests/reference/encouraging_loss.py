"""Zhao et al. (2022): the log loss with its bonus, from the probability, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, LE: mpf) -> mpf:
    """-log p + log(1 - p) up to LE; then the tangent of the bonus. 1 - p is summed."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = exp(logits[target]) / total
        rest = sum(exp(s) for j, s in enumerate(logits) if j != target) / total
        bonus = log(rest) if p <= LE else log(1 - LE) - (p - LE) / (1 - LE)
        return -log(p) + bonus
