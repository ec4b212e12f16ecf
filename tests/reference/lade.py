"""Hong et al. (2021): the two parts of the loss, class by class, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]], target: list[int], alpha: mpf, lam: mpf, class_counts: list[mpf]
) -> mpf:
    """One number for the batch: mean of the balanced softmax + alpha times the penalty."""
    with workdps(60):
        n, k = len(logits), len(class_counts)
        total = sum(class_counts)
        entropy = mpf(0)
        for s, y in zip(logits, target, strict=True):
            masses = [c * exp(v) for v, c in zip(s, class_counts, strict=True)]
            entropy += log(sum(masses) / masses[y]) / n
        penalty = mpf(0)
        for c in range(k):
            prior = class_counts[c] / total
            own = [s[c] for s, y in zip(logits, target, strict=True) if y == c]
            g = log(sum(exp(s[c]) for s in logits) / (n * k * prior))
            penalty += prior * ((-sum(own) / len(own) if own else 0) + g + lam * g**2)
        return entropy + alpha * penalty
