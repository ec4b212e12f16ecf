"""Wang et al. (2018): the softmax of scaled cosines, the label's less its margin."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, scale: mpf, margin: mpf) -> mpf:
    """-log of e^(scale (c_y - margin)) over itself plus the sum of the others' e^(scale c_j)."""
    with workdps(60):
        own = exp(scale * (logits[target] - margin))
        others = sum(exp(scale * c) for k, c in enumerate(logits) if k != target)
        return log1p(others / own)
