"""The log score of softmax(s + log prior): its regret is a Kullback-Leibler divergence."""

from lossatlas.theory.features import fit, log_score
from lossatlas.theory.proof import NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem("Gneiting & Raftery, JASA 2007", "classification_calibrated", "strictly_proper")
def log_score_of_softmax(subject: Subject) -> float:
    """How far l(s, y) is from a CE(s + log prior, y) + c, a > 0; the prior is one without counts.

    R(s) - R* = a KL(q | softmax(s + log prior)), zero only if softmax(s) is q / prior, normalised.
    """
    (a,), residual = fit(subject, lambda s: log_score(s + subject.prior.log()))
    return residual if a > 0 and subject.link == "softmax" else NEVER
