"""Mao et al. (2023): a power of the sum of exponentials, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, tau: mpf) -> mpf:
    """([sum_j exp(s_j - s_y)]^(1 - tau) - 1) / (1 - tau), or its logarithm at tau = 1."""
    with workdps(60):
        total = sum(exp(s - logits[target]) for s in logits)
        return log(total) if tau == 1 else (total ** (1 - tau) - 1) / (1 - tau)
