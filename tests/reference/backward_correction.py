"""Patrini et al. (2017): the corrected losses, as the solution of T x = losses, in many digits."""

from mpmath import exp, log, lu_solve, matrix, mpf, workdps


def reference(logits: list[mpf], target: int, transition: list[list[mpf]]) -> mpf:
    """Entry y of the x with sum_j T_ij x_j = -log p_i for every class i."""
    with workdps(60):
        top = max(logits)
        total = log(sum(exp(s - top) for s in logits)) + top
        return lu_solve(matrix(transition), matrix([total - s for s in logits]))[target]
