"""Reed et al. (2015): minus the logs of the label's and the largest probability, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, beta: mpf) -> mpf:
    """-beta log p_y - (1 - beta) log max_k p_k."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        return -beta * log(p[target]) - (1 - beta) * log(max(p))
