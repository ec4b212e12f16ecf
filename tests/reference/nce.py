"""Ma et al. (2020): the share of one label in the sum of all log losses, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """-log p_y / -sum_k log p_k."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        losses = [-log(exp(s) / total) for s in logits]
        return losses[target] / sum(losses)
