"""The squared error of the scores: its regret is |s - q|^2."""

from lossatlas.theory.features import fit, squared_distance
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem(HAND, "classification_calibrated", "strictly_proper")
def squared_error_of_scores(subject: Subject) -> float:
    """How far l(s, y) is from a |s - e_y|^2 + c, a > 0: R - R* = a |s - q|^2."""
    (a,), residual = fit(subject, squared_distance)
    return residual if a > 0 and subject.link == "identity" else NEVER
