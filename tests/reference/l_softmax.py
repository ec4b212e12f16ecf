"""Liu et al. (2016): the softmax with a multiplied angle, through the angles, in 60 digits."""

from mpmath import acos, cos, exp, floor, log1p, mpf, pi, sqrt, workdps


def _length(x: list[mpf]) -> mpf:
    return sqrt(sum(v * v for v in x))


def reference(
    logits: list[mpf],
    target: int,
    m: mpf,
    lam: mpf,
    features: list[mpf],
    head_weight: list[list[mpf]],
) -> mpf:
    """Where |w_y| |x| is less than the label's logit, its score goes on as the logit does."""
    with workdps(60):
        length = _length(features) * _length(head_weight[target])
        c = logits[target] / length
        inside = max(mpf(-1), min(mpf(1), c))
        theta = acos(inside)
        j = min(floor(m * theta / pi), m - 1)
        psi = (-1) ** int(j) * cos(m * theta) - 2 * j
        own = length * (c + (psi - inside) / (1 + lam))
        return log1p(sum(exp(x - own) for k, x in enumerate(logits) if k != target))
