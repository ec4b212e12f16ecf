"""Mozannar & Sontag (2020): bits for the label and for deferring, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, teacher_logits: list[mpf]) -> mpf:
    """-(alpha [m = y] + [m != y]) log2 p_y - [m = y] log2 p_defer; m is the expert's best class."""
    with workdps(60):
        top = max(logits)
        p = [exp(s - top) for s in logits]
        bits = [log(sum(p) / x, 2) if x else mpf(0) for x in p]
        expert = teacher_logits.index(max(teacher_logits))
        return alpha * bits[target] + bits[-1] if expert == target else bits[target]
