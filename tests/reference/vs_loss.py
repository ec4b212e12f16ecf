"""Kini et al. (2021): the softmax of scaled and shifted logits, as probabilities, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, gamma: mpf, tau: mpf, class_counts: list[mpf]) -> mpf:
    """-log of the share that class y has of sum_k pi_k^tau e^{s_k / a_k}, a_k = (n_max/n_k)^gamma.

    Where the label dominates, the other shares are summed, not subtracted from one.
    """
    with workdps(60):
        total, most = sum(class_counts), max(class_counts)
        masses = [
            (n / total) ** tau * exp(s / (most / n) ** gamma)
            for s, n in zip(logits, class_counts, strict=True)
        ]
        return log(sum(masses) / masses[target])
