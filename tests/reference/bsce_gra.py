"""Lin et al. (2025): the norm of p - e_y, component by component, times the log loss."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, beta: mpf, gamma: mpf) -> mpf:
    """-||p - e_y||_beta^gamma log p_y, in 60 digits; 1 - p_y is the mass of the other classes."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        rest = sum(exp(s) for k, s in enumerate(logits) if k != target) / total
        apart = [rest if k == target else v for k, v in enumerate(p)]
        norm = sum(v**beta for v in apart) ** (1 / beta)
        return -(norm**gamma) * log(p[target])
