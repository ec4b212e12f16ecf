"""Baek et al. (2025): powers of distances, normalised, in 60 digits."""

from mpmath import log, mpf, sqrt, workdps


def reference(logits: list[mpf], target: int, n: mpf, eps: mpf) -> mpf:
    """-log(d_y^-n / sum_k d_k^-n) with d_k = sqrt(s_k^2 + eps)."""
    with workdps(60):
        powers = [sqrt(s**2 + eps) ** -n for s in logits]
        return -log(powers[target] / sum(powers))
