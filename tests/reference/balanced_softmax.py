"""Ren et al. (2020): the softmax weighted by class counts, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, class_counts: list[mpf]) -> mpf:
    """-log of n_y e^{s_y} over the sum of n_k e^{s_k}, as log(1 + the others over the label's)."""
    with workdps(60):
        weighted = [n * exp(s) for n, s in zip(class_counts, logits, strict=True)]
        others = sum(w for k, w in enumerate(weighted) if k != target)
        return log1p(others / weighted[target])
