"""Kim et al. (2022), through the angle, with the running mean and spread that are there."""

from mpmath import acos, cos, exp, log1p, mpf, pi, sqrt, workdps


def reference(
    logits: list[mpf],
    target: int,
    margin: mpf,
    h: mpf,
    scale: mpf,
    t_alpha: mpf,
    eps: mpf,
    features: list[mpf],
    mean: mpf,
    std: mpf,
) -> mpf:
    """-log softmax with cos(theta + g_ang) - g_add at the label; what is clipped is as coded."""
    with workdps(60):
        length = min(max(sqrt(sum(x * x for x in features)), mpf("0.001")), mpf(100))
        z = min(max(h * (length - mean) / (std + eps), mpf(-1)), mpf(1))
        cosines = [min(max(c, eps - 1), 1 - eps) for c in logits]
        angle = min(max(acos(cosines[target]) - margin * z, eps), pi - eps)
        own = scale * (cos(angle) - (margin * z + margin))
        others = sum(exp(scale * c) for k, c in enumerate(cosines) if k != target)
        return log1p(others / exp(own))
