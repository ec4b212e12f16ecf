"""Amid et al. (2019): the tempered softmax by bisection on its normaliser, in many digits."""

from functools import cache

from mpmath import exp, log, mpf, workdps


def _log(x: mpf, t: mpf) -> mpf:
    return log(x) if t == 1 else (x ** (1 - t) - 1) / (1 - t)


def _exp(x: mpf, t: mpf) -> mpf:
    return exp(x) if t == 1 else (1 + (1 - t) * x) ** (1 / (1 - t))


def reference(logits: list[mpf], target: int, t1: mpf, t2: mpf) -> mpf:
    """-log_t1 p_y - (1 - sum_k p_k^(2 - t1)) / (2 - t1)."""
    with workdps(40):
        p = _softmax(tuple(logits), t2)
        return -_log(p[target], t1) - (1 - sum(x ** (2 - t1) for x in p)) / (2 - t1)


@cache  # the same logits come with every label
def _softmax(logits: tuple[mpf, ...], t2: mpf) -> list[mpf]:
    low = max(logits)
    high = low - _log(1 / mpf(len(logits)), t2)
    for _ in range(140):
        middle = (low + high) / 2
        if sum(_exp(s - middle, t2) for s in logits) > 1:
            low = middle
        else:
            high = middle
    return [_exp(s - low, t2) for s in logits]
