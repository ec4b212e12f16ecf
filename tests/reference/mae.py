"""Ghosh et al. (2017): the distance of the softmax from a corner of the simplex, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """sum_k |p_k - [k = y]|."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        gaps = [exp(s) / total - (1 if k == target else 0) for k, s in enumerate(logits)]
        return sum((abs(gap) for gap in gaps), mpf(0))
