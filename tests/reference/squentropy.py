"""Hui, Belkin & Wright (2023): log loss plus the wrong scores' mean square, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """-log p_y + sum_{j != y} s_j^2 / (K - 1)."""
    with workdps(60):
        wrong = [s for j, s in enumerate(logits) if j != target]
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return -log(p) + sum(s * s for s in wrong) / len(wrong)
