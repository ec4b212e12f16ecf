"""Menon et al. (2021): cross-entropy of logits plus tau times the log prior, in 60 digits."""

from mpmath import exp, log, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, tau: mpf, class_counts: list[mpf]) -> mpf:
    """-log of the softmax of s + tau log pi at the label."""
    with workdps(60):
        total = sum(class_counts)
        adjusted = [s + tau * log(n / total) for s, n in zip(logits, class_counts, strict=True)]
        others = sum(exp(a) for k, a in enumerate(adjusted) if k != target)
        return log1p(others / exp(adjusted[target]))
