"""The Brier score of softmax(s): its regret is |p - q|^2."""

import torch

from lossatlas.theory.features import fit, squared_distance
from lossatlas.theory.proof import NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem("Gneiting & Raftery, JASA 2007", "classification_calibrated", "strictly_proper")
def squared_error_of_softmax(subject: Subject) -> float:
    """How far l(s, y) is from a |softmax(s) - e_y|^2 + c, a > 0: R - R* = a |p - q|^2."""
    (a,), residual = fit(subject, lambda s: squared_distance(torch.softmax(s, 1)))
    return residual if a > 0 and subject.link == "softmax" else NEVER
