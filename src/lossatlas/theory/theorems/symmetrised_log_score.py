"""The log score less its mean over the labels: the multiclass unhinged loss."""

from torch import Tensor

from lossatlas.theory.features import fit
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


def less_its_mean(s: Tensor) -> Tensor:
    """CE(s, y) - mean_k CE(s, k) for each y, (N, K), from the log-sum-exp's own terms."""
    log_score = s.logsumexp(1, keepdim=True) - s
    return log_score - log_score.mean(1, keepdim=True)


@theorem(
    "Lemire Paquin, Chaib-draa & Giguere, 2026, arXiv:2605.20347; " + HAND,
    "symmetric_sum_constant", "convex_in_logits",
)  # fmt: skip
def symmetrised_log_score(subject: Subject) -> float:
    """How far l(s, y) is from a (CE(s, y) - mean_k CE(s, k)) + c, a > 0.

    The log-sum-exp cancels: what is left is a (mean s - s_y) + c, which is linear in s, so convex,
    and sums to K c over the labels.
    """
    (a,), residual = fit(subject, less_its_mean)
    return residual if a > 0 else NEVER
