"""Ishida et al. (2017): the sigmoid loss of each pair, in many digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """sum_{j != c} e^{s_c} / (e^{s_c} + e^{s_j})."""
    with workdps(60):
        value, wrong = mpf(0), exp(logits[target])
        for j, s in enumerate(logits):
            if j != target:
                value += wrong / (wrong + exp(s))
        return value
