"""Gimpel & Smith (2010): minus the logarithm of the label's cost-augmented probability."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, margin: mpf, num_classes: int) -> mpf:
    """log(1 + sum_{j != y} e^(s_j + margin) / e^(s_y))."""
    with workdps(60):
        wrong = [exp(s) * exp(margin) for k, s in enumerate(logits) if k != target]
        return log1p(sum(wrong) / exp(logits[target]))
