"""Tao et al. (2023): the probabilities below the label's, searched one by one, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma: mpf) -> mpf:
    """-(1 - p_y + p_j)^gamma log p_y, p_j the largest probability below p_y, else 0."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        rest = sum(exp(s) for k, s in enumerate(logits) if k != target) / total
        below = mpf(0)
        for s in logits:
            if s < logits[target]:
                below = max(below, exp(s) / total)
        return -((rest + below) ** gamma) * log(exp(logits[target]) / total)
