"""Zhang & Sabuncu (2018): the Box-Cox transform of the label's probability, in 60 digits."""

from mpmath import exp, mpf, workdps


def reference(logits: list[mpf], target: int, q: mpf) -> mpf:
    """(1 - p_y^q) / q."""
    with workdps(60):
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return (1 - p**q) / q
