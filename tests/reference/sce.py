"""Wang et al. (2019): cross-entropy in both directions, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, beta: mpf, A: mpf) -> mpf:
    """alpha times -log p_y plus beta times -A (the mass off the label)."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        wrong = sum((mass for k, mass in enumerate(p) if k != target), mpf(0))
        return -alpha * log(p[target]) - beta * A * wrong
