"""l = c - b p_y with b > 0."""

from lossatlas.theory.features import fit, probability
from lossatlas.theory.proof import NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem(
    "Ghosh, Kumar & Sastry, AAAI 2017", "classification_calibrated", "symmetric_sum_constant",
    "noise_invariant_minimiser", "asymmetric", "probability_only",
)  # fmt: skip
def affine_in_probability(subject: Subject) -> float:
    """How far l(s, y) is from c - b p_y, b > 0.

    The sum over labels is K c - b. The risk sum_k w_k l = c sum w - b sum_k w_k p_k is least as
    p_t -> 1 for the heaviest label t alone, where l(s, t) tends to its infimum.
    """
    (b,), residual = fit(subject, probability)
    return residual if b < 0 else NEVER
