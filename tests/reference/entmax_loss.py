"""Peters, Niculae & Martins (2019): the loss at the alpha-entmax, whose threshold is halved for."""

from functools import cache

from mpmath import exp, log, mpf, workdps


def reference(logits: list[mpf], target: int, alpha: mpf) -> mpf:
    """(1 - sum p^alpha) / (alpha (alpha - 1)) + <p, s> - s_y; at alpha = 1 -log softmax."""
    with workdps(50):
        top = max(logits)
        s = [x - top for x in logits]
        if alpha == 1:
            return log(sum(exp(x) for x in s)) - s[target]
        p = _entmax(tuple(s), alpha)
        entropy = (1 - sum(x**alpha for x in p)) / (alpha * (alpha - 1))
        return entropy + sum(x * y for x, y in zip(p, s, strict=True)) - s[target]


@cache  # the same logits come with every label
def _entmax(s: tuple[mpf, ...], alpha: mpf) -> list[mpf]:
    z = [(alpha - 1) * x for x in s]
    low, high = mpf(-1), mpf(0)
    for _ in range(100):
        tau = (low + high) / 2
        mass = sum((x - tau) ** (1 / (alpha - 1)) for x in z if x > tau)
        low, high = (tau, high) if mass > 1 else (low, tau)
    return [(x - tau) ** (1 / (alpha - 1)) if x > tau else mpf(0) for x in z]
