"""Ghosh et al. (2022): the focal loss with the exponent of the label's bin, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    num_bins: mpf,
    gamma_initial: mpf,
    gamma: list[mpf] | None = None,
    edges: list[mpf] | None = None,
    **_: mpf,
) -> mpf:
    """-(1 - p)^g log p, or -(1 + p)^(-g) log p for g < 0; g is the gamma of the bin of p."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = exp(logits[target]) / total
        wrong = sum(exp(s) for k, s in enumerate(logits) if k != target) / total
        bins = [gamma_initial] * int(num_bins) if gamma is None else gamma
        g = bins[sum(p > edge for edge in edges or [])] if gamma else gamma_initial
        factor = wrong**g if g >= 0 else (1 + p) ** -g
        return -factor * log(p)
