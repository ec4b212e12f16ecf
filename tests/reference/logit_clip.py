"""Wei et al. (2023): clip the vector of logits, then minus the log of its softmax, in 60 digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(logits: list[mpf], target: int, tau: mpf) -> mpf:
    """-log softmax(u)_y with u = tau s / |s| where |s| >= tau, else s."""
    with workdps(60):
        length = sqrt(sum(s * s for s in logits))
        u = [tau * s / length for s in logits] if length >= tau else logits
        return -log(exp(u[target]) / sum(exp(x) for x in u))
