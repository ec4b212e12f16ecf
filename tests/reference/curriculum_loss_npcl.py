"""Lyu & Tsang (2020): the selection by trying every T, then the mean soft hinge, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]], target: list[int], epsilon: mpf, burn_in: mpf, progress: float
) -> mpf:
    """One number for the batch."""
    with workdps(60):
        n, errors, hinges, soft = len(logits), 0, [], []
        for s, y in zip(logits, target, strict=True):
            other = max(v for k, v in enumerate(s) if k != y)
            hinges.append(max(mpf(0), 1 - s[y] + other))
            error = s.index(max(s)) != y
            errors += error
            total = log(sum(exp(v - max(s)) for v in s)) + max(s)
            soft.append(1 - s[y] + total if error else hinges[-1])
        if progress < burn_in:
            return sum(soft) / n
        bound = (1 - epsilon) ** 2 * n + (1 - epsilon) * errors
        order = sorted(range(n), key=lambda i: hinges[i])
        sums = [sum((hinges[i] for i in order[:t]), mpf(0)) for t in range(n + 1)]
        best = max(t for t in range(n + 1) if sums[t] <= bound + 1 - t)
        taken = min(best + 1, n) if sums[best] <= bound - best else best
        return sum(soft[i] for i in order[:taken]) / taken
