"""Macêdo et al. (2022): the softmax of minus distance and mean distance, in 60 digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(
    logits: list[mpf],
    target: int,
    entropic_scale: mpf,
    distance_scale: mpf,
    learned_scale: mpf,
) -> mpf:
    """The distance of two unit vectors is sqrt(2 - 2 cos); delta is what has been learned."""
    with workdps(60):
        cosines = [max(mpf(-1), min(mpf(1), c)) for c in logits]
        d = [abs(learned_scale) / sqrt(2) * sqrt(2 - 2 * c) for c in cosines]
        scores = [-(x + sum(d) / len(d)) for x in d]
        weights = [exp(entropic_scale * s) for s in scores]
        return -log(weights[target] / sum(weights))
