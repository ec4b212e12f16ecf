"""Meng et al. (2021), through the angle, in 60 digits."""

from mpmath import acos, cos, exp, log1p, mpf, pi, sin, sqrt, workdps


def reference(
    logits: list[mpf],
    target: int,
    scale: mpf,
    l_a: mpf,
    u_a: mpf,
    l_m: mpf,
    u_m: mpf,
    lam: mpf,
    easy: mpf,
    features: list[mpf],
) -> mpf:
    """-log softmax with cos(theta_y + m(a)) at the label, plus the price of the length."""
    with workdps(60):
        a = min(max(sqrt(sum(x * x for x in features)), l_a), u_a)
        m = (u_m - l_m) / (u_a - l_a) * (a - l_a) + l_m
        cosines = [max(mpf(-1), min(mpf(1), c)) for c in logits]
        own = cosines[target]
        angle = acos(own) + m
        score = cos(angle)
        if easy and own <= 0:
            score = own
        if not easy and angle >= pi:
            score = own - m * sin(m)
        others = sum(exp(scale * c) for k, c in enumerate(cosines) if k != target)
        return log1p(others / exp(scale * score)) + lam * (1 / a + a / u_a**2)
