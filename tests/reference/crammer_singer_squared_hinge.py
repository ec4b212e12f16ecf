"""The squared form of Crammer & Singer (2001): the largest squared violation."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """The largest of max(0, 1 + s_j - s_y)^2 over the wrong classes, squared class by class."""
    with workdps(60):
        violations = [1 + s - logits[target] for k, s in enumerate(logits) if k != target]
        return max(v**2 if v > 0 else mpf(0) for v in violations)
