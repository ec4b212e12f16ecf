"""Neo et al. (2024): focal loss and the constraints on the class number, in many digits."""

from functools import cache

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma: mpf, lam: mpf, class_counts: list[mpf]) -> mpf:
    """focal + lam m_y (|mu - mu_0| + |mu - y|); m_y is found by bisection."""
    with workdps(40):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        rest = sum(exp(s) for k, s in enumerate(logits) if k != target) / total
        average = sum(k * n for k, n in enumerate(class_counts)) / sum(class_counts)
        mean = sum(k * v for k, v in enumerate(p))
        m = _multiplier((average + target) / 2, len(p))
        penalty = m * (abs(mean - average) + abs(mean - target))
        return -(rest**gamma) * log(p[target]) + lam * penalty


@cache  # one a label, whatever the logits
def _multiplier(wanted: mpf, classes: int) -> mpf:
    low, high = mpf(-50), mpf(50)
    for _ in range(150):
        m = (low + high) / 2
        excess = sum(k * exp(-1 - m * k) for k in range(classes)) - wanted
        low, high = (m, high) if excess > 0 else (low, m)
    return m
