"""Ye et al. (2020): the softmax of logits over their class's temperature, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma: mpf, class_counts: list[mpf]) -> mpf:
    """-log of the label's share of sum_k e^{s_k / a_k}, a_k = (n_max / n_k)^gamma."""
    with workdps(60):
        cooled = [
            s * (n / max(class_counts)) ** gamma for s, n in zip(logits, class_counts, strict=True)
        ]
        return log(sum(exp(v - cooled[target]) for v in cooled))
