"""Regmi et al. (2024) without a bias: the softmax of W h / (temperature |h|), in 60 digits."""

from mpmath import exp, log1p, mpf, sqrt, workdps


def reference(logits: list[mpf], target: int, temperature: mpf, features: list[mpf]) -> mpf:
    """Each logit over temperature |h|, then the share of the label."""
    with workdps(60):
        length = sqrt(sum(x * x for x in features))
        u = [s / (temperature * length) for s in logits]
        return log1p(sum(exp(x - u[target]) for k, x in enumerate(u) if k != target))
