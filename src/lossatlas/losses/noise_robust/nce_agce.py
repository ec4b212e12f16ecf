"""Normalised cross-entropy plus asymmetric generalised cross-entropy."""

from lossatlas.intervals import in_range
from lossatlas.losses.base import Sum
from lossatlas.losses.noise_robust.agce import AGCE
from lossatlas.losses.noise_robust.nce import NCE
from lossatlas.losses.registry import register


@register
class NCEAGCE(Sum):
    """NCE+AGCE (Zhou et al., 2021, arXiv:2106.03110): alpha NCE + beta AGCE."""

    target = "class_index"

    def __init__(self, alpha: float = 1.0, beta: float = 4.0, a: float = 6.0, q: float = 1.5):
        super().__init__(
            in_range("alpha", alpha, "[0, inf)") * NCE(),
            in_range("beta", beta, "[0, inf)") * AGCE(a, q),
        )
