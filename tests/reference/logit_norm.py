"""Wei et al. (2022): cross-entropy of logits over temperature times their length, in 60 digits."""

from mpmath import exp, log1p, mpf, sqrt, workdps


def reference(logits: list[mpf], target: int, temperature: mpf, eps: mpf) -> mpf:
    """-log softmax(s / (temperature (|s| + eps)))_y."""
    with workdps(60):
        length = sqrt(sum(s * s for s in logits))
        scaled = [s / (temperature * (length + eps)) for s in logits]
        others = sum(exp(u) for k, u in enumerate(scaled) if k != target)
        return log1p(others / exp(scaled[target]))
