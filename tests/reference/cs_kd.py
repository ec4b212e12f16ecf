"""Yun et al. (2020): cross-entropy and a divergence for each sample and its partner, in loops."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[list[mpf]], target: list[int], temperature: mpf, lam: mpf) -> mpf:
    """One number for the batch; partners are found by walking on through the batch."""
    with workdps(60):
        n, value = len(logits), mpf(0)
        for i, (s, y) in enumerate(zip(logits, target, strict=True)):
            j = (i + 1) % n
            while target[j] != y:
                j = (j + 1) % n
            value += log(sum(exp(v - max(s)) for v in s)) + max(s) - s[y]
            p = _softmax([v / temperature for v in s])
            q = _softmax([v / temperature for v in logits[j]])
            apart = sum(b * log(b / a) for a, b in zip(p, q, strict=True))
            value += lam * temperature**2 * apart
        return value / n


def _softmax(s: list[mpf]) -> list[mpf]:
    weights = [exp(v - max(s)) for v in s]
    return [w / sum(weights) for w in weights]
