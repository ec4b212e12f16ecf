"""Hebbalaguppe et al. (2022): focal loss and the class-wise differences, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[list[mpf]], target: list[int], beta: mpf, gamma: mpf) -> mpf:
    """One number for the batch; 1 - p_y is the mass of the other classes."""
    with workdps(60):
        n, k = len(logits), len(logits[0])
        focal, means = mpf(0), [mpf(0)] * k
        for s, y in zip(logits, target, strict=True):
            total = sum(exp(v) for v in s)
            rest = sum(exp(v) for j, v in enumerate(s) if j != y) / total
            focal -= rest**gamma * log(exp(s[y]) / total) / n
            means = [m + exp(v) / total / n for m, v in zip(means, s, strict=True)]
        apart = [abs(m - mpf(target.count(j)) / n) for j, m in enumerate(means)]
        return focal + beta * sum(apart) / k
