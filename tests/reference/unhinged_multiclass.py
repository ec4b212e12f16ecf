"""Lemire Paquin et al. (2026): cross-entropy, symmetrised as the paper does it, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """CE(s, y) - mean_k CE(s, k)."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        entropies = [-log(exp(s) / total) for s in logits]
        return entropies[target] - sum(entropies) / len(entropies)
