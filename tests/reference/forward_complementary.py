"""Yu et al. (2018): the probability of what is told, class by class, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, transition: list[list[mpf]]) -> mpf:
    """-log sum_k Q_kc p_k."""
    with workdps(60):
        weights = [exp(s) for s in logits]
        told = sum(w * row[target] for w, row in zip(weights, transition, strict=True))
        return log(sum(weights) / told)
