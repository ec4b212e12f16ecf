"""Liu et al. (2022): cross-entropy and the excess of distances over a margin, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, margin: mpf, alpha: mpf) -> mpf:
    """CE + alpha times the mean over classes of max(0, d_k - margin), d_k = max s - s_k."""
    with workdps(60):
        others = sum(exp(s) for k, s in enumerate(logits) if k != target)
        penalty = mpf(0)
        for s in logits:
            excess = max(logits) - s - margin
            if excess > 0:
                penalty += excess
        return log1p(others / exp(logits[target])) + alpha * penalty / len(logits)
