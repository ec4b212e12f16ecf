"""Li et al. (2021), around cross-entropy: the log of a mean of powers, in 60 digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[list[mpf]], target: list[int], t: mpf) -> mpf:
    """log((1/N) sum_i exp(t l_i)) / t, the mean at t = 0."""
    with workdps(60):
        rows = zip(logits, target, strict=True)
        losses = [-log(exp(s[y]) / sum(exp(v) for v in s)) for s, y in rows]
        if t == 0:
            return sum(losses) / len(losses)
        return log(sum(exp(t * value) for value in losses) / len(losses)) / t
