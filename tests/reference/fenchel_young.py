"""Blondel, Martins & Niculae (2020): Omega*(s) + Omega(q) - <s, q> at the prediction p(s)."""

from functools import cache

from mpmath import exp, log, log1p, mpf, workdps


def reference(logits: list[mpf], target: list[mpf], omega: mpf, alpha: mpf) -> mpf:
    """<s, p> - Omega(p) + Omega(q) - <s, q>, with p the softmax, entmax, argmax, s or sigmoid."""
    with workdps(50):
        if omega == 3:  # class by class, q log(q / p) + (1 - q) log((1 - q) / (1 - p))
            value = mpf(0)
            for s, q in zip(logits, target, strict=True):
                for sign, share in ((1, q), (-1, 1 - q)):
                    if share > 0:
                        value += share * (log(share) + log1p(exp(-sign * s)))
            return value
        if omega == 2:
            p = list(logits)
        elif omega == 1:
            p = [mpf(k == logits.index(max(logits))) for k in range(len(logits))]
        elif alpha == 1:
            weights = [exp(s - max(logits)) for s in logits]
            p = [w / sum(weights) for w in weights]
        else:
            p = _entmax(tuple(logits), alpha)

        def regulariser(x: list[mpf]) -> mpf:
            if omega == 2:
                return sum(v**2 for v in x) / 2
            if omega == 1:
                return mpf(0)
            if alpha == 1:
                return sum(v * log(v) for v in x if v > 0)
            return (sum(v**alpha for v in x) - 1) / (alpha * (alpha - 1))

        inner = sum(s * (x - q) for s, x, q in zip(logits, p, target, strict=True))
        return inner - regulariser(p) + regulariser(target)


@cache  # the same logits come with every target
def _entmax(logits: tuple[mpf, ...], alpha: mpf) -> list[mpf]:
    z = [(alpha - 1) * (s - max(logits)) for s in logits]
    low, high = mpf(-1), mpf(0)
    for _ in range(100):
        tau = (low + high) / 2
        mass = sum((x - tau) ** (1 / (alpha - 1)) for x in z if x > tau)
        low, high = (tau, high) if mass > 1 else (low, tau)
    return [(x - tau) ** (1 / (alpha - 1)) if x > tau else mpf(0) for x in z]
