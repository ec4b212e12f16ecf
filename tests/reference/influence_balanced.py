"""Park et al. (2021): cross-entropy over the influence, from probabilities, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    alpha: mpf,
    epsilon: mpf,
    start: mpf,
    class_counts: list[mpf],
    progress: mpf,
    features: list[mpf],
) -> mpf:
    """|p - e_y|_1 class by class; 1 - p_y is the mass of the other classes."""
    with workdps(60):
        weights = [exp(s) for s in logits]
        wrong = sum(w for k, w in enumerate(weights) if k != target)
        value = log1p(wrong / weights[target])
        if progress < start:
            return value
        distance = wrong / sum(weights)
        for k, w in enumerate(weights):
            distance += w / sum(weights) if k != target else 0
        rarity = [1 / n for n in class_counts]
        scale = len(rarity) * rarity[target] / sum(rarity)
        norm = sum(abs(h) for h in features)
        return scale * alpha * value / (distance * norm + epsilon)
