"""Lin et al. (2017): the focal loss on the softmax, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma: mpf, alpha_y: mpf) -> mpf:
    """-alpha (1 - p_y)^gamma log p_y, where 1 - p_y is the mass of the other classes.

    At a logit of 1e4 that mass is 1e-4343: it is summed, as 1 - p_y would need 4343 digits.
    """
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = exp(logits[target]) / total
        rest = sum(exp(s) for k, s in enumerate(logits) if k != target) / total
        return -alpha_y * rest**gamma * log(p)
