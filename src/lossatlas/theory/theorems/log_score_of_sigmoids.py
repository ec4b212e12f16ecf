"""A sum of binary log scores, one a class, each strictly proper."""

import torch
from torch import Tensor

from lossatlas.theory.features import fit
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


def one_versus_rest_log_score(s: Tensor) -> Tensor:
    """log(1 + exp(-s_y)) + sum_{j != y} log(1 + exp(s_j))."""
    against = torch.logaddexp(s, torch.zeros_like(s)).sum(1, keepdim=True)
    return against - s


@theorem(HAND, "classification_calibrated", "strictly_proper")
def log_score_of_sigmoids(subject: Subject) -> float:
    """How far l(s, y) is from a sum of binary log scores, times a > 0.

    The risk is a sum over classes, strictly convex and coercive in each score, least at
    s_k = logit q_k alone; so sigmoid(s*) = q, and no other order of scores comes near.
    """
    (a,), residual = fit(subject, one_versus_rest_log_score)
    return residual if a > 0 and subject.link == "sigmoid" else NEVER
