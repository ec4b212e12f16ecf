"""Wang et al. (2024): the changed softmax itself, class by class, in many digits."""

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, m: mpf, alpha: mpf, beta: mpf, clamp: mpf) -> mpf:
    """-alpha log max(p'_y, clamp) + beta sum_k |p_k - [k = y]|."""
    with workdps(60):
        total = sum(exp(s) for s in logits)
        p = [exp(s) / total for s in logits]
        top = logits.index(max(logits))
        pushed = [(x + m * (1 if k == top else 0)) / (m + 1) for k, x in enumerate(p)]
        distance = sum(abs(x - (1 if k == target else 0)) for k, x in enumerate(p))
        return beta * distance - alpha * log(max(pushed[target], clamp))
