"""Wen et al. (2022), variant C: the probabilities of K binary problems."""

from mpmath import exp, log1p, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    lam: mpf,
    scale: mpf,
    margin: mpf,
    t: mpf,
    lw: mpf,
    bias: mpf,
    num_classes: int,
) -> mpf:
    """lw / s (lam log(1 + e^-(s (g_y - m) + b)) + (1 - lam) sum_j log(1 + e^(s (g_j + m) + b))).

    s is the scale, j runs over the other classes.
    """
    with workdps(60):
        value = mpf(0)
        for k, c in enumerate(logits):
            g = 2 * ((max(mpf(-1), min(mpf(1), c)) + 1) / 2) ** t - 1
            if k == target:
                value += lam * log1p(exp(-(scale * (g - margin) + bias)))
            else:
                value += (1 - lam) * log1p(exp(scale * (g + margin) + bias))
        return lw / scale * value
