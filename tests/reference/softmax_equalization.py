"""Tan et al. (2020): the softmax with weights of 0 and 1, class by class, in 60 digits."""

import torch
from mpmath import exp, log, mpf, workdps


def reference(
    logits: list[mpf],
    target: int,
    gamma: mpf,
    lam: mpf,
    class_counts: list[mpf],
    randomness: torch.Generator,
) -> mpf:
    """-log(e^{s_y} / sum_k w_k e^{s_k}), w_k = 1 - b_k [n_k / n < lam] [k != y]."""
    with workdps(60):
        total = mpf(0)
        for k, s in enumerate(logits):
            drawn = torch.rand((), generator=randomness, dtype=torch.float64).item() < gamma
            rare = class_counts[k] / sum(class_counts) < lam
            total += (0 if drawn and rare and k != target else 1) * exp(s)
        return log(total / exp(logits[target]))
