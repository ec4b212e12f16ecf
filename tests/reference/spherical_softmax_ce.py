"""De Brébisson & Vincent (2016): the log of a share of squares, in 60 digits."""

from mpmath import log, mpf, workdps


def reference(logits: list[mpf], target: int, epsilon: mpf) -> mpf:
    """-log((s_y^2 + eps) / sum_k (s_k^2 + eps))."""
    with workdps(60):
        squares = [s * s + epsilon for s in logits]
        return -log(squares[target] / sum(squares))
