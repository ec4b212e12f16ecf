"""Feng et al. (2020): three prices on the mass of excluded labels, in 60 digits."""

from mpmath import exp, log1p, mpf, workdps


def reference(logits: list[mpf], target: set[int], variant: mpf, scale: mpf) -> mpf:
    """The excluded labels are those that are not in the set."""
    with workdps(60):
        k = len(logits)
        excluded = [j for j in range(k) if j not in target]
        c = scale * (k - 1) / len(excluded)
        out = sum(exp(logits[j]) for j in excluded)
        kept = sum(exp(logits[j]) for j in target)
        if variant == 0:
            return c * log1p(out / kept)
        return c * exp(-kept / (kept + out)) if variant == 1 else c * out / (kept + out)
