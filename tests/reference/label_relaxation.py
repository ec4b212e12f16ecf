"""Lienen & Hüllermeier (2021): the divergence from the projected target, class by class."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf) -> mpf:
    """KL(r || p) with r_y = 1 - alpha and r_j = alpha p_j / (1 - p_y); 0 where p_y >= 1 - alpha.

    1 - p_y is the mass of the other classes, summed.
    """
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        rest = sum(q for k, q in enumerate(p) if k != target)
        if rest <= alpha:
            return mpf(0)
        projected = [alpha * q / rest for q in p]
        projected[target] = 1 - alpha
        return sum((r * log(r / q) for r, q in zip(projected, p, strict=True)), mpf(0))
