"""Cheng et al. (2021): the regularised loss and the sieve, sample by sample, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    beta: mpf,
    sieve_start: mpf,
    eps: mpf,
    class_counts: list[mpf],
    progress: float,
) -> mpf:
    """One number for the batch."""
    with workdps(60):
        ramp = min(max((mpf(progress) - mpf("0.1")) / mpf("0.3"), 0), 1)
        values, clean = [], []
        for s, y in zip(logits, target, strict=True):
            total = log(sum(exp(v - max(s)) for v in s)) + max(s)
            mean = sum(
                n / sum(class_counts) * -log(exp(v - total) + eps)
                for n, v in zip(class_counts, s, strict=True)
            )
            values.append(total - s[y] - beta * ramp * mean)
            clean.append(s[y] * len(s) >= sum(s))
        kept = [v for v, c in zip(values, clean, strict=True) if c or progress < sieve_start]
        kept = kept or values
        return sum(kept) / len(kept)
