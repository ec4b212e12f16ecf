"""Class-weighted cross-entropy, the weights as powers of the counts, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, a: mpf, class_counts: list[mpf]) -> mpf:
    """-w_y log p_y, the weights n^-a on a scale where they sum to K."""
    with workdps(60):
        total = sum(1 / n**a for n in class_counts)
        weight = len(class_counts) / class_counts[target] ** a / total
        others = sum(exp(s - logits[target]) for s in logits)
        return weight * log(others)
