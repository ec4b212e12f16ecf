"""Kornblith et al. (2021): the softmax of cosines plus bias, over the temperature."""

from mpmath import exp, log1p, mpf, workdps


def reference(
    logits: list[mpf], target: int, temperature: mpf, bias: list[mpf], num_classes: int
) -> mpf:
    """-log softmax of (c + b) / tau."""
    with workdps(60):
        grown = [exp((c + b) / temperature) for c, b in zip(logits, bias, strict=True)]
        return log1p(sum(g for k, g in enumerate(grown) if k != target) / grown[target])
