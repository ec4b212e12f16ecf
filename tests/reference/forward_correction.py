"""Patrini et al. (2017): minus the log of the observed label's probability, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, transition: list[list[mpf]]) -> mpf:
    """-log sum_i p_i T_iy, with p the softmax of the logits."""
    with workdps(60):
        top = max(logits)
        weights = [exp(s - top) for s in logits]
        seen = sum(w * row[target] for w, row in zip(weights, transition, strict=True))
        return log(sum(weights)) - log(seen)
