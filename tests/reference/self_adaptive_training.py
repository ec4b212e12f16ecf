"""Huang et al. (2020): the weighted cross-entropy to the targets in memory, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    alpha: mpf,
    start: mpf,
    indices: list[int],
    num_samples: int,
    num_classes: int,
    progress: float,
    memory: list[list[mpf]],
) -> mpf:
    """One number for the batch; the memory is t as it is used, zeros where it is the label."""
    with workdps(60):
        above, below = mpf(0), mpf(0)
        for s, y, index in zip(logits, target, indices, strict=True):
            t = memory[index]
            if progress < start or not any(t):
                t = [mpf(1 if k == y else 0) for k in range(num_classes)]
            total = log(sum(exp(v - max(s)) for v in s)) + max(s)
            above += max(t) * sum(a * (total - v) for a, v in zip(t, s, strict=True))
            below += max(t)
        return above / below
