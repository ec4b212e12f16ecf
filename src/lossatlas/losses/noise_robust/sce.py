"""Cross-entropy in both directions."""

from lossatlas.intervals import in_range
from lossatlas.losses.base import Sum
from lossatlas.losses.likelihood.cross_entropy import CrossEntropy
from lossatlas.losses.noise_robust.rce import RCE
from lossatlas.losses.registry import register


@register
class SCE(Sum):
    """Symmetric cross-entropy (Wang et al., 2019, arXiv:1908.06112): alpha CE + beta RCE."""

    target = "class_index"

    def __init__(self, alpha: float = 0.1, beta: float = 1.0, A: float = -4.0):
        super().__init__(
            in_range("alpha", alpha, "(0, inf)") * CrossEntropy(),
            in_range("beta", beta, "[0, inf)") * RCE(A),
        )
