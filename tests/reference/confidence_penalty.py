"""Pereyra et al. (2017): the log loss less beta times the entropy, both from p, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, beta: mpf) -> mpf:
    """-log p_y - beta H(p)."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        entropy = sum(q * log(1 / q) for q in p)
        return -log(p[target]) - beta * entropy
