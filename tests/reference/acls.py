"""Park et al. (2023): cross-entropy and two squared hinges, class by class, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf], target: int, lam_top: mpf, lam_rest: mpf, alpha: mpf, margin: mpf
) -> mpf:
    """The value; what is held fixed in the gradient does not matter here."""
    with workdps(60):
        top = max(logits)
        value = log(sum(exp(s - top) for s in logits)) + top - logits[target]
        if top > margin:
            value += alpha * lam_top * (top - margin) ** 2
        others = list(logits)
        others.remove(top)
        for s in others:
            if top - s > margin:
                value += alpha * lam_rest * (top - s - margin) ** 2 / len(others)
        return value
