"""Huang et al. (2020), through the angles, with the t that is there."""

from mpmath import acos, cos, exp, log1p, mpf, pi, sin, workdps


def reference(
    logits: list[mpf], target: int, scale: mpf, margin: mpf, momentum: mpf, t: mpf
) -> mpf:
    """-log softmax of scale times T(theta_y) at the label and N(t, theta_j) at the others."""
    with workdps(60):
        cosines = [max(mpf(-1), min(mpf(1), c)) for c in logits]
        angle = acos(cosines[target])
        moved = cos(angle + margin)
        score = moved
        if angle + margin >= pi:
            score = cosines[target] - margin * sin(margin)
        others = mpf(0)
        for k, c in enumerate(cosines):
            if k != target:
                others += exp(scale * (c * (t + c) if c > moved else c))
        return log1p(others / exp(scale * score))
