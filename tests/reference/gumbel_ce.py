"""Alexandridis et al. (2022): binary log scores of the Gumbel probabilities, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, low: mpf, high: mpf) -> mpf:
    """-log P_y - sum_{j != y} log(1 - P_j), P = exp(-exp(-s)) of the clamped scores."""
    with workdps(120):
        value = mpf(0)
        for k, s in enumerate(logits):
            p = exp(-exp(-max(low, min(high, s))))
            value -= log(p if k == target else 1 - p)
        return value
