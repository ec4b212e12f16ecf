"""Chen et al. (2019): log loss and the entropy of the wrong classes' shares, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, left_out: mpf) -> mpf:
    """-log p_y + sum_{j != y} (p_j / (1 - p_y)) log(p_j / (1 - p_y)) / (K - left_out)."""
    with workdps(60):
        wrong = [exp(s) for j, s in enumerate(logits) if j != target]
        label = exp(logits[target])
        shares = [w / sum(wrong) for w in wrong]
        entropy = sum(q * log(q) for q in shares)
        return log((label + sum(wrong)) / label) + entropy / (len(logits) - left_out)
