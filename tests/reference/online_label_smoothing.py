"""Zhang et al. (2021): two cross-entropies, to the label and to its class's mean prediction."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf], target: int, alpha: mpf, num_classes: int, soft: list[list[mpf]]
) -> mpf:
    """alpha CE(s, y) + (1 - alpha) CE(s, S_y), for the S in use."""
    with workdps(60):
        top = max(logits)
        total = log(sum(exp(s - top) for s in logits)) + top
        hard = total - logits[target]
        pairs = zip(soft[target], logits, strict=True)
        return alpha * hard + (1 - alpha) * sum(share * (total - s) for share, s in pairs)
