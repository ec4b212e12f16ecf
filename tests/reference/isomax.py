"""Macêdo et al. (2021): the softmax of minus the scaled distances, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, entropic_scale: mpf) -> mpf:
    """-log of e^(-E d_y) over the sum of the e^(-E d_k), where d is minus the logits."""
    with workdps(60):
        distances = [-s for s in logits]
        total = sum(exp(-entropic_scale * d) for d in distances)
        return entropic_scale * distances[target] + log(total)
