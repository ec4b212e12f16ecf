"""Liang et al. (2020): mean confidence and accuracy counted over the batch, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[list[mpf]], target: list[int], beta: mpf) -> mpf:
    """One number for the batch."""
    with workdps(60):
        entropy, confidence, right = mpf(0), mpf(0), 0
        for s, y in zip(logits, target, strict=True):
            total = sum(exp(v - max(s)) for v in s)
            entropy += max(s) + log(total) - s[y]
            confidence += 1 / total
            right += s.index(max(s)) == y
        n = len(logits)
        return entropy / n + beta * abs(confidence / n - mpf(right) / n)
