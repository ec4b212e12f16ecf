"""Liu et al. (2017): the softmax with a multiplied angle, through the angles, in 60 digits."""

from mpmath import acos, cos, exp, floor, log1p, mpf, pi, sqrt, workdps


def reference(logits: list[mpf], target: int, m: mpf, lam: mpf, features: list[mpf]) -> mpf:
    """Outside [-1, 1] the label's score goes on as its cosine does."""
    with workdps(60):
        length = sqrt(sum(x * x for x in features))
        c = logits[target]
        inside = max(mpf(-1), min(mpf(1), c))
        theta = acos(inside)
        j = min(floor(m * theta / pi), m - 1)
        psi = (-1) ** int(j) * cos(m * theta) - 2 * j
        own = c + (psi - inside) / (1 + lam)
        return log1p(sum(exp(length * (x - own)) for k, x in enumerate(logits) if k != target))
