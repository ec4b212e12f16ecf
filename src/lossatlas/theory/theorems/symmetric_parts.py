"""A sum of parts that are normalised over the labels or affine in p_y."""

from lossatlas.theory.features import fit, normalised_log_score, probability, share_above
from lossatlas.theory.proof import theorem
from lossatlas.theory.subject import Subject


@theorem(
    "Ma et al., ICML 2020; Ghosh, Kumar & Sastry, AAAI 2017",
    "symmetric_sum_constant", "noise_invariant_minimiser",
)  # fmt: skip
def symmetric_parts(subject: Subject) -> float:
    """How far l is from c + a1 p_y + a2 log p_y / sum log p + a3 b_y / sum b, any signs.

    Each part sums to one over the labels. (b: see `share_above`.) With sum_k l(s, k) = C, the risk
    under uniform noise is (1 - eta K / (K - 1)) R + eta C / (K - 1), with the same minimisers.
    """
    return fit(subject, probability, normalised_log_score, share_above)[1]
