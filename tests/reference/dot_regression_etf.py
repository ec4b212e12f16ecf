"""Yang et al. (2022): the feature's product with its class's column, in many digits."""

from mpmath import mpf, sqrt, workdps


def reference(logits: list[mpf], target: int, length: mpf, class_counts: list[mpf]) -> mpf:
    """(m_y . h - |m_y| H)^2 / (2 H) for |h| = H and a column of squared length n / n_y."""
    with workdps(60):
        mean = sum(class_counts) / len(class_counts)
        column = sqrt(mean / class_counts[target])
        product = column * length * logits[target]
        return (product - column * length) ** 2 / (2 * length)
