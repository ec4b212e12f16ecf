"""Ma et al. (2020): normalised focal loss plus reverse cross-entropy, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf, beta: mpf, gamma: mpf, A: mpf) -> mpf:
    """alpha f_y / sum_k f_k - beta A (1 - p_y) with f_k = -(1 - p_k)^gamma log p_k."""
    with workdps(60):
        weights = [exp(s - logits[target]) for s in logits]
        total = sum(weights)
        off = [sum(w for j, w in enumerate(weights) if j != k) for k in range(len(weights))]
        focal = [
            (rest / total) ** gamma * log(1 + rest / w)
            for rest, w in zip(off, weights, strict=True)
        ]
        return alpha * focal[target] / sum(focal) - beta * A * off[target] / total
