"""Berrada, Zisserman & Kumar (2018): the tempered maximum of the violations."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, temperature: mpf, margin: mpf) -> mpf:
    """T log(1 + sum_{j != y} e^((s_j + margin - s_y) / T))."""
    with workdps(60):
        violations = [s + margin - logits[target] for k, s in enumerate(logits) if k != target]
        return temperature * log1p(sum(exp(v / temperature) for v in violations))
