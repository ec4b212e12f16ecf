"""Zhu, Ying & Yang (2023): the worst mean of the violations, at its weights."""

from mpmath import exp, log, log1p, mpf, workdps


def reference(logits: list[mpf], target: int, temperature: mpf, margin: mpf, normalize: mpf) -> mpf:
    """sum_k p_k v_k - T KL(p, uniform) at the p_k in proportion to e^(v_k / T).

    v_k = s_k - s_y + margin [k != y]: the largest value of that difference over all p.
    """
    with workdps(60):
        scores = logits
        if normalize:
            soft = [log1p(exp(s)) if s < 0 else s + log1p(exp(-s)) for s in logits]
            scores = [u * len(soft) / sum(soft) for u in soft]
        v = [s - scores[target] + (margin if k != target else 0) for k, s in enumerate(scores)]
        top = max(v)
        weights = [exp((x - top) / temperature) for x in v]
        total = sum(weights)
        value = mpf(0)
        for x, weight in zip(v, weights, strict=True):
            p = weight / total
            value += p * x - (temperature * p * log(len(v) * p) if p > 0 else 0)
        return value
