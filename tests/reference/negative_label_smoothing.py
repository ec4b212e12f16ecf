"""Wei et al. (2022): cross-entropy plus a linear term in the scores, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, r: mpf) -> mpf:
    """LSE(s) - s_y + r (s_y - mean s)."""
    with workdps(60):
        entropy = log(sum(exp(s - logits[target]) for s in logits))
        return entropy + r * (logits[target] - sum(logits) / len(logits))
