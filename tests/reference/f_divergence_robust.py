"""Wei & Liu (2021): gains of the batch and prices of the pairs that are drawn, in loops."""

import torch
from mpmath import exp, log, mpf, tanh, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    divergence: mpf,
    warmup: mpf,
    epoch: int,
    randomness: torch.Generator,
) -> mpf:
    """One number for the batch; each image meets the label of the one before it in the circle."""
    circle = torch.randperm(len(target), generator=randomness).tolist()
    with workdps(60):
        value = mpf(0)
        if epoch < warmup:
            for s, y in zip(logits, target, strict=True):
                value += log(sum(exp(v - max(s)) for v in s)) + max(s) - s[y]
            return value / len(target)
        for s, y in zip(logits, target, strict=True):
            value -= _g(_p(s, y), int(divergence))
        for place, a in enumerate(circle):
            value += _conjugate(_p(logits[a], target[circle[place - 1]]), int(divergence))
        return value / len(target)


def _p(s: list[mpf], k: int) -> mpf:
    return exp(s[k] - max(s)) / sum(exp(v - max(s)) for v in s)


def _g(p: mpf, divergence: int) -> mpf:
    if divergence == 0:
        return tanh(p) / 2
    return log(2) - log(1 + exp(-p)) if divergence == 3 else p


def _conjugate(p: mpf, divergence: int) -> mpf:
    if divergence == 0:
        return tanh(p) / 2
    if divergence == 1:
        return exp(p - 1)
    if divergence == 2:
        return p**2 / 4 + p
    if divergence == 3:
        return p + log(1 + exp(-p)) - log(2)
    return p + p**2 / 4 + p**3 / 16
