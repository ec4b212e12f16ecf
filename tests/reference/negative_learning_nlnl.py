"""Kim et al. (2019): the mean of -log(1 - p_k) over the classes that may be drawn, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, ln_neg: mpf, randomness: object) -> mpf:
    """1 - p_k is the mass of the other classes; all draws have the same mean."""
    with workdps(60):
        weights = [exp(s) for s in logits]
        drawn = [k for k in range(len(logits)) if k != target]
        value = mpf(0)
        for k in drawn:
            rest = sum(w for j, w in enumerate(weights) if j != k)
            value -= log(rest / sum(weights))
        return ln_neg * value / len(drawn)
