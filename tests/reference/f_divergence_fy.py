"""Roulet et al. (2025): the difference of two regularised linear functions, at p(s) and at q."""

from functools import cache

from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf], target: list[mpf], alpha: mpf, prior: mpf, class_counts: list[mpf]
) -> mpf:
    """<s, p> - D(p) + D(q) - <s, q>, with p by halving for the multiplier of sum p = 1."""
    with workdps(50):
        pi = [n / sum(class_counts) if prior else mpf(1) for n in class_counts]
        top = max(logits)
        s = [x - top for x in logits]

        def divergence(x: list[mpf]) -> mpf:
            value = mpf(0)
            for v, w in zip(x, pi, strict=True):
                u = v / w
                if alpha == 1:
                    value += w * ((u * log(u) if u > 0 else 0) - (u - 1))
                else:
                    value += w * (u**alpha - 1 - alpha * (u - 1)) / (alpha * (alpha - 1))
            return value

        p = _argmax(tuple(s), tuple(pi), alpha)
        inner = sum(x * (v - q) for x, v, q in zip(s, p, target, strict=True))
        return inner - divergence(p) + divergence(target)


@cache  # the same logits come with every target
def _argmax(s: tuple[mpf, ...], pi: tuple[mpf, ...], alpha: mpf) -> list[mpf]:
    def mass(t: mpf) -> list[mpf]:
        if alpha == 1:
            return [w * exp(x - t) for w, x in zip(pi, s, strict=True)]
        bases = [1 + (alpha - 1) * (x - t) for x in s]
        grown = [b ** (1 / (alpha - 1)) if b > 0 else mpf(0) for b in bases]
        return [w * u for w, u in zip(pi, grown, strict=True)]

    low, high = mpf(-1), mpf(1)
    while sum(mass(low)) < 1:
        low *= 2
    while sum(mass(high)) > 1:
        high *= 2
    for _ in range(110):
        t = (low + high) / 2
        low, high = (t, high) if sum(mass(t)) > 1 else (low, t)
    return mass(t)
