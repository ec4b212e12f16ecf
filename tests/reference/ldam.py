"""Cao et al. (2019): cross-entropy with the margin C / n_y^{1/4} on the label, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    max_m: mpf,
    sigma: mpf,
    drw_beta: mpf,
    drw_start: mpf,
    class_counts: list[mpf],
    progress: mpf,
) -> mpf:
    """-log softmax of sigma z with z_y lowered by Delta_y = C / n_y^{1/4}, the largest max_m.

    From drw_start on, times the class-balanced weight, which is 1 on average over the classes.
    """
    with workdps(60):
        powers = [n ** (-mpf(1) / 4) for n in class_counts]
        c = max_m / max(powers)
        lowered = [z - c * powers[k] if k == target else z for k, z in enumerate(logits)]
        others = sum(exp(sigma * z) for k, z in enumerate(lowered) if k != target)
        value = log1p(others / exp(sigma * lowered[target]))
        if progress < drw_start:
            return value
        weights = [(1 - drw_beta) / (1 - drw_beta**n) for n in class_counts]
        return weights[target] / (sum(weights) / len(weights)) * value
