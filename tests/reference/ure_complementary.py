"""Ishida et al. (2019): the estimator as a sum of cross-entropies, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """-(K - 1) times the cross-entropy of the wrong class, plus that of every class."""
    with workdps(60):
        total = log(sum(exp(s) for s in logits))
        each = [total - s for s in logits]
        return sum(each) - (len(logits) - 1) * each[target]
