"""Liu et al. (2023): cross-entropy and the PHR penalty of each class's distance, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    margin: mpf,
    multipliers: list[mpf],
    rho: list[mpf],
    **_: mpf,
) -> mpf:
    """CE + the mean over classes of PHR(h_k), h_k = (max s - s_k - margin) / margin."""
    with workdps(60):
        others = sum(exp(s) for k, s in enumerate(logits) if k != target)
        penalty = mpf(0)
        for s, lam, r in zip(logits, multipliers, rho, strict=True):
            h = (max(logits) - s - margin) / margin
            penalty += lam * h + r * h**2 / 2 if lam + r * h >= 0 else -(lam**2) / (2 * r)
        return log1p(others / exp(logits[target])) + penalty / len(logits)
