"""Wang et al. (2017): the softmax of cosines at the scale that is learned."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, scale: mpf, learned_scale: mpf) -> mpf:
    """-log softmax of learned_scale c, which is 0.01 at least."""
    with workdps(60):
        grown = [exp(max(learned_scale, mpf(0.01)) * c) for c in logits]
        return log1p(sum(g for k, g in enumerate(grown) if k != target) / grown[target])
