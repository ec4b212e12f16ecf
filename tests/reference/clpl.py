"""Cour et al. (2011), eq. 2: binary losses of a mean score and of single scores, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: set[int], psi: mpf) -> mpf:
    """Candidates count through their mean score, every other class on its own."""

    def binary(z: mpf) -> mpf:
        if psi == 2:
            return log1p(exp(-z))
        short = 1 - z if z < 1 else mpf(0)
        return short if psi == 1 else short * short

    with workdps(60):
        value = binary(sum(logits[j] for j in target) / len(target))
        for j, s in enumerate(logits):
            if j not in target:
                value += binary(-s)
        return value
