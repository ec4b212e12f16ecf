"""Zhou et al. (2025): ranks of confidence and digamma weights, in many digits."""

from mpmath import digamma, exp, log, mpf, workdps


def reference(logits: list[list[mpf]], target: list[int]) -> mpf:
    """One number for the batch. Confidence is ordered by the mass of all classes but the top one.

    At a logit of 1e4 that mass is 1e-4343: it is summed, as 1 - r would need 4343 digits.
    """
    with workdps(60):
        n = len(logits)
        entropy, unsure = [], []
        for s, y in zip(logits, target, strict=True):
            total = sum(exp(v) for v in s)
            top = s.index(max(s))
            entropy.append(-log(exp(s[y]) / total))
            unsure.append(sum(exp(v) for k, v in enumerate(s) if k != top) / total)
        ranked = sorted(range(n), key=lambda i: -unsure[i])
        return sum(
            (digamma(n + 1) - digamma(n - rank + 1)) * entropy[i] / n
            for rank, i in enumerate(ranked, 1)
        )
