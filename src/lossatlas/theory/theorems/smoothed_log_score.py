"""A sum of log scores of all labels: cross-entropy at a mixed posterior."""

from lossatlas.theory.features import fit, log_score
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem(HAND, "classification_calibrated")
def smoothed_log_score(subject: Subject) -> float:
    """How far l(s, y) is from a CE(s, y) + b sum_k CE(s, k) + c, a > 0, b >= 0.

    The risk is that of cross-entropy at the posterior (a q + b) / (a + b K), which has the order
    of q, and an infimum over a closed cone above the least of all.
    """
    (a, b), residual = fit(
        subject, log_score, lambda s: log_score(s).sum(1, keepdim=True).expand_as(s)
    )
    return residual if a > 0 and b >= -1e-9 * a and (subject.prior == 1).all() else NEVER
