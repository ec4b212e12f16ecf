"""Wen et al. (2021): the stored weights, class by class, in many digits."""

import mpmath
from mpmath import exp, mpf, workdps


def reference(
    logits: list[mpf],
    target: set[int],
    beta: mpf,
    log: mpf,
    indices: int,
    num_samples: int,
    num_classes: int,
    memory: list[list[mpf]],
) -> mpf:
    """psi is a sigmoid of the score, or a log loss of the softmax where `log` is 1."""
    with workdps(60):
        e = [exp(s) for s in logits]
        value = mpf(0)
        for j, w in enumerate(memory[indices]):
            if log:
                others = sum(x for k, x in enumerate(e) if k != j)
                cost = mpmath.log(sum(e) / (e[j] if j in target else others))
            else:
                cost = (1 if j in target else e[j]) / (1 + e[j])
            value += w * cost * (1 if j in target else beta)
        return value
