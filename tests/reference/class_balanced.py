"""Cui et al. (2019): cross-entropy over the effective number of samples, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, beta: mpf, class_counts: list[mpf]) -> mpf:
    """CE / E_y, E_k = (1 - beta^n_k) / (1 - beta), times what makes the weights sum to K."""
    with workdps(60):
        effective = [(1 - beta**n) / (1 - beta) for n in class_counts]
        scale = len(effective) / sum(1 / e for e in effective)
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return -scale / effective[target] * log(p)
