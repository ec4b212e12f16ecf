"""Yoon et al. (2023): means and unbiased variances of the gaps, sample by sample."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    lam: mpf,
    root: mpf,
    every: mpf,
    indices: list[int],
) -> mpf:
    """One number for the batch: mean^2 - variance / (n - 1) of the gaps at or below each one."""
    with workdps(60):
        losses, kept = [], []
        for s, y, i in zip(logits, target, indices, strict=True):
            total = sum(exp(v - max(s)) for v in s)
            if i % int(every) == int(every) - 1:
                kept.append((1 / total, 1 if s.index(max(s)) == y else 0))
            else:
                losses.append(log(total) + max(s) - s[y])
        value = sum(losses) / len(losses) if losses else mpf(0)
        n = len(kept)
        if n < 3:
            return value
        esd = mpf(0)
        for i, (level, _) in enumerate(kept):
            others = kept[:i] + kept[i + 1 :]
            g = [c - r if r <= level else mpf(0) for r, c in others]
            mean = sum(g) / (n - 1)
            variance = sum((x - mean) ** 2 for x in g) / (n - 2)
            esd += (mean**2 - variance / (n - 1)) / n
        return value + lam * (sqrt(max(mpf(0), esd)) if root else esd)
