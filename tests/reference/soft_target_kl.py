"""Kullback & Leibler (1951): the sum over classes of q log(q / p), in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: list[mpf]) -> mpf:
    """sum_k q_k log(q_k / p_k) over the classes with q_k > 0."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        value = mpf(0)
        for s, q in zip(logits, target, strict=True):
            if q > 0:
                value += q * log(q / (exp(s) / total))
        return value
