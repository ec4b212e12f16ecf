"""Wen et al. (2016): cross-entropy and the distance to the centre, number by number."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    lam: mpf,
    alpha: mpf,
    num_classes: int,
    feature_dim: int,
    features: list[mpf],
    centres: list[list[mpf]],
) -> mpf:
    """-log p_y + lam / 2 sum_d (h_d - c_yd)^2; alpha is in the centres already."""
    with workdps(60):
        total = sum(exp(s - logits[target]) for s in logits)
        apart = sum((x - c) ** 2 for x, c in zip(features, centres[target], strict=True))
        return log(total) + lam * apart / 2
