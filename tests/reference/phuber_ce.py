"""Menon et al. (2020): the loss by its two branches, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, tau: mpf) -> mpf:
    """-tau p_y + log tau + 1 for p_y <= 1 / tau, else -log p_y."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return -tau * p + log(tau) + 1 if p <= 1 / tau else -log(p)
