"""The hinge of Lee, Lin and Wahba on centred scores."""

from torch import Tensor

from lossatlas.theory.features import fit
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


def centred_hinge(s: Tensor) -> Tensor:
    """sum_{j != y} max(0, 1 / (k - 1) + s_j - mean s)."""
    hinge = (s - s.mean(1, keepdim=True) + 1 / (s.shape[1] - 1)).relu()
    return hinge.sum(1, keepdim=True) - hinge


@theorem("Lee, Lin & Wahba, JASA 2004; " + HAND, "classification_calibrated")
def lee_lin_wahba(subject: Subject) -> float:
    """How far l is from a sum_{j != y} max(0, 1/(K-1) + s_j - mean s) + c, a > 0.

    With t_j = max(0, 1/(K-1) + s_j - mean s), R = a sum_j (1 - q_j) t_j and sum t >= K/(K-1). So
    R >= a (1 - q_b) K/(K-1) for the likeliest class b, attained with t = 0 elsewhere. Where j is on
    top, t_j >= 1/(K-1), and R exceeds this by a (q_b - q_j)/(K-1).
    """
    (a,), residual = fit(subject, centred_hinge)
    return residual if a > 0 else NEVER
