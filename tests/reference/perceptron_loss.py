"""The multiclass perceptron: by how much the label is beaten."""

from mpmath import mpf, workdps


def reference(logits: list[mpf], target: int) -> mpf:
    """The largest s_j - s_y."""
    with workdps(60):
        return max(s - logits[target] for s in logits)
