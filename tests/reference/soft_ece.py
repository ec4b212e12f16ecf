"""Karandikar et al. (2021): soft bins one by one, their confidence and accuracy, in many digits."""

from mpmath import exp, log, mpf, sqrt, workdps


def reference(logits: list[list[mpf]], target: list[int], M: mpf, T: mpf, beta: mpf) -> mpf:
    """One number for the batch: mean cross-entropy + beta SB-ECE, the root of eq. 11."""
    with workdps(60):
        n, bins = len(logits), int(M)
        entropy, confidence, right = mpf(0), [], []
        for s, y in zip(logits, target, strict=True):
            total = sum(exp(v - max(s)) for v in s)
            entropy += (max(s) + log(total) - s[y]) / n
            confidence.append(1 / total)
            right.append(int(s.index(max(s)) == y))
        near = [
            [exp(-((r - (2 * j - 1) / (2 * M)) ** 2) / T) for j in range(1, bins + 1)]
            for r in confidence
        ]
        u = [[v / sum(row) for v in row] for row in near]
        square = mpf(0)
        for j in range(bins):
            size = sum(row[j] for row in u)
            c = sum(row[j] * r for row, r in zip(u, confidence, strict=True)) / size
            a = sum(row[j] * hit for row, hit in zip(u, right, strict=True)) / size
            square += size / n * abs(c - a) ** 2
        return entropy + beta * sqrt(square)
