"""Englesson & Azizpour (2021): both divergences from the mean, class by class, in many digits."""

from mpmath import exp, log, mpf, workdps


def _kl(q: list[mpf], m: list[mpf]) -> mpf:
    return sum((a * log(a / b) for a, b in zip(q, m, strict=True) if a > 0), mpf(0))


def reference(logits: list[mpf], target: int, pi_1: mpf) -> mpf:
    """(pi_1 KL(e_y | m) + (1 - pi_1) KL(p | m)) / Z."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        label = [mpf(1 if k == target else 0) for k in range(len(p))]
        m = [pi_1 * a + (1 - pi_1) * b for a, b in zip(label, p, strict=True)]
        scale = -(1 - pi_1) * log(1 - pi_1)
        return (pi_1 * _kl(label, m) + (1 - pi_1) * _kl(p, m)) / scale
