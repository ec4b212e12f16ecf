"""Petersen et al. (2022), with SoftSort or NeuralSort, one entry of the matrix after another."""

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf], target: int, top_k: mpf, top1_weight: mpf, temperature: mpf, method: mpf
) -> mpf:
    """-log of the mixture of the softmax and of the label's mass among the first k ranks."""
    with workdps(60):
        n = len(logits)
        ranked = sorted(logits, reverse=True)
        among = mpf(0)
        for r in range(1, min(int(top_k), n) + 1):
            row = []
            for s in logits:
                far = sum(abs(s - other) for other in logits)
                row.append((n + 1 - 2 * r) * s - far if method else -abs(ranked[r - 1] - s))
            weights = [exp((x - max(row)) / temperature) for x in row]
            among += weights[target] / sum(weights)
        softmax = exp(logits[target]) / sum(exp(s) for s in logits)
        return -log(top1_weight * softmax + (1 - top1_weight) * among)
