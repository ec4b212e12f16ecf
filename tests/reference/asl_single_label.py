"""Ridnik et al. (2021), code for one label: a loop over classes with targets and weights."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma_pos: mpf, gamma_neg: mpf, eps: mpf) -> mpf:
    """-sum_k t_k w_k log p_k; 1 - p_y is the mass of the other classes, summed."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        value = mpf(0)
        for k, q in enumerate(p):
            if k == target:
                rest = sum(other for j, other in enumerate(p) if j != k)
                smoothed, weight = 1 - eps + eps / len(p), rest**gamma_pos
            else:
                smoothed, weight = eps / len(p), q**gamma_neg
            value -= smoothed * weight * log(q)
        return value
