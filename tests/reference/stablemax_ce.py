"""Prieto et al. (2025), eq. 5 to 7: the log of a share of g, in 60 digits."""

from mpmath import log, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """-log(g(s_y) / sum_k g(s_k)) with g(x) = x + 1 from 0 on and 1 / (1 - x) below."""
    with workdps(60):
        g = [s + 1 if s >= 0 else 1 / (1 - s) for s in logits]
        return -log(g[target] / sum(g))
