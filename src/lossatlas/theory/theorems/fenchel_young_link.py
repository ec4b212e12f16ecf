"""A Fenchel-Young loss with a smooth convex conjugate: the risk's gradient is link(s) - q."""

from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject
from lossatlas.theory.theorems.smooth_fenchel_young import smooth_fenchel_young


@theorem("Blondel, Martins & Niculae, JMLR 2020; " + HAND, "strictly_proper")
def fenchel_young_link(subject: Subject) -> float:
    """As `smooth_fenchel_young`, for a card whose link is that prediction.

    The risk is convex with gradient f(s) - q, so it is least exactly where f(s) = q.
    """
    return smooth_fenchel_young.test(subject) if subject.link == "fenchel_young" else NEVER
