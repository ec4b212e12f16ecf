"""Moon et al. (2020): cross-entropy and the pairs of neighbours one by one, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    lam: mpf,
    indices: list[int],
    num_samples: int,
    right: list[mpf],
    visits: list[mpf],
) -> mpf:
    """One number for the batch; shares of visits at which a sample was right, 0 before any."""
    with workdps(60):
        n, value = len(target), mpf(0)
        confidence, share = [], []
        for s, y, i in zip(logits, target, indices, strict=True):
            total = sum(exp(v - max(s)) for v in s)
            value += log(total) + max(s) - s[y]
            confidence.append(1 / total)
            share.append(right[i] / visits[i] if visits[i] else mpf(0))
        for i in range(n):
            j = (i + 1) % n
            if share[i] > share[j]:
                value += lam * max(0, share[i] - share[j] - (confidence[i] - confidence[j]))
            elif share[i] < share[j]:
                value += lam * max(0, share[j] - share[i] - (confidence[j] - confidence[i]))
        return value / n
