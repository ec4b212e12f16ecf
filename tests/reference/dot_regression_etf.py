"""Yang et al. (2022): each feature's product with its class's column, in many digits."""

from mpmath import mpf, sqrt, workdps


def reference(logits: list[list[mpf]], target: list[int], length: mpf) -> mpf:
    """The mean of (m_y . h - |m_y| H)^2 / (2 H), columns of squared length N / (C n_y)."""
    with workdps(60):
        n, value = len(target), mpf(0)
        for cosines, y in zip(logits, target, strict=True):
            column = sqrt(mpf(n) / len(set(target)) / target.count(y))
            product = column * length * cosines[y]
            value += (product - column * length) ** 2 / (2 * length) / n
        return value
