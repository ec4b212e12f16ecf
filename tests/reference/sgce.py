"""Lemire Paquin et al. (2026): powers of p_k, centred over the labels, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int, q: mpf) -> mpf:
    """(mean_k p_k^q - p_y^q) / q."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        powers = [(exp(s) / total) ** q for s in logits]
        return (sum(powers) / len(powers) - powers[target]) / q
