"""Zhou et al. (2025): log loss plus how far the largest score is above their mean, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf], target: int, alpha_begin: mpf, alpha_end: mpf, progress: float
) -> mpf:
    """-log p_y + alpha_t (max s - mean s), alpha_t on the line from begin to end."""
    with workdps(60):
        alpha = (1 - mpf(progress)) * alpha_begin + mpf(progress) * alpha_end
        p = exp(logits[target]) / sum(exp(s) for s in logits)
        return -log(p) + alpha * (max(logits) - sum(logits) / len(logits))
