"""Wu & Liu (2007): a difference of two hinges."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int, kappa: mpf) -> mpf:
    """max(0, 1 - m) - max(0, kappa - m)."""
    with workdps(60):
        m = min(logits[target] - s for k, s in enumerate(logits) if k != target)
        return max(mpf(0), 1 - m) - max(mpf(0), kappa - m)
