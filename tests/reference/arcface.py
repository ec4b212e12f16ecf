"""Deng et al. (2019), eq. 3, through the angles, in 60 digits."""

from mpmath import acos, cos, exp, log1p, mpf, pi, sin, workdps


def reference(logits: list[mpf], target: int, scale: mpf, margin: mpf, continuation: mpf) -> mpf:
    """-log softmax of scale cos theta_j, with theta_y + m at the label."""
    with workdps(60):
        angles = [acos(max(mpf(-1), min(mpf(1), c))) for c in logits]
        moved = angles[target] + margin
        score = cos(moved)
        if moved > pi and continuation == 1:
            score = cos(angles[target]) - margin * sin(margin)
        if moved > pi and continuation == 2:
            score = mpf(-1)
        rivals = [exp(scale * cos(a)) for k, a in enumerate(angles) if k != target]
        return log1p(sum(rivals) / exp(scale * score))
