"""Kumar et al. (2018): mean cross-entropy and the penalty, pair by pair, in many digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(logits: list[list[mpf]], target: list[int], lam: mpf, width: mpf, power: mpf) -> mpf:
    """One number for the batch."""
    with workdps(60):
        n = len(logits)
        entropy, gaps, confidences = mpf(0), [], []
        for s, y in zip(logits, target, strict=True):
            weights = [exp(v - max(s)) for v in s]
            p = [w / sum(weights) for w in weights]
            entropy += (max(s) + log(sum(weights)) - s[y]) / n
            confidences.append(max(p))
            gaps.append((1 if s.index(max(s)) == y else 0) - max(p))
        square = mpf(0)
        for i in range(n):
            for j in range(n):
                near = exp(-abs(confidences[i] - confidences[j]) / width)
                square += gaps[i] * gaps[j] * near / n**2
        return entropy + lam * sqrt(square) ** power
