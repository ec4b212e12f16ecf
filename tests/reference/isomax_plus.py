"""Macêdo & Ludermir (2021): distances on the unit sphere through the angles, in 60 digits."""

from mpmath import acos, exp, log1p, mpf, sin, workdps


def reference(
    logits: list[mpf],
    target: int,
    entropic_scale: mpf,
    distance_scale: mpf,
    learned_scale: mpf,
) -> mpf:
    """-log softmax of -E |delta| d, where d is the chord 2 sin(theta / 2)."""
    with workdps(60):
        angles = [acos(max(mpf(-1), min(mpf(1), c))) for c in logits]
        d = [abs(learned_scale) * 2 * sin(a / 2) for a in angles]
        own = d[target]
        return log1p(sum(exp(entropic_scale * (own - x)) for k, x in enumerate(d) if k != target))
