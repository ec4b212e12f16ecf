"""Liu & Guo (2020): the log losses of the batch and of the pairs that are drawn, in loops."""

import torch
from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[list[mpf]],
    target: list[int],
    alpha: mpf,
    eps: mpf,
    randomness: torch.Generator,
) -> mpf:
    """One number for the batch; each image meets the label of the one before it in the circle."""
    circle = torch.randperm(len(target), generator=randomness).tolist()
    with workdps(60):
        value = mpf(0)
        for s, y in zip(logits, target, strict=True):
            value -= log(_p(s, y) + eps)
        for place, a in enumerate(circle):
            value += alpha * log(_p(logits[a], target[circle[place - 1]]) + eps)
        return value / len(target)


def _p(s: list[mpf], k: int) -> mpf:
    return exp(s[k] - max(s)) / sum(exp(v - max(s)) for v in s)
