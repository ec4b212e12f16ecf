"""A normalised log score plus a passive part that decides: both infima are joint."""

from lossatlas.theory.features import fit, normalised_log_score, probability, share_above
from lossatlas.theory.minimise import scale
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem(HAND, "classification_calibrated", "asymmetric")
def active_passive(subject: Subject) -> float:
    """How far l is from c + a log p_y / sum log p - b p_y - d b_y / sum b; a, b, d >= 0, b + d > 0.

    The first part's risk is at least a min q, the others' at least -(b + d) max q; all are
    approached together as p tends to the likeliest class and the least likely one vanishes fastest.
    Where a wrong class j is on top, its share of the p and of the b is at least 1/K, so the risk
    exceeds this by at least (b + d)(max q - q_j) / K; no larger part will do, as at equal p where
    all classes but j are equally likely.
    """
    (a, b, d), residual = fit(subject, normalised_log_score, probability, share_above)
    tiny = 1e-9 * scale(subject)
    return residual if a >= -tiny and b <= tiny and d <= tiny and b + d < -tiny else NEVER
