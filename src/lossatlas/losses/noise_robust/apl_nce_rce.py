"""Normalised cross-entropy plus reverse cross-entropy."""

from lossatlas.intervals import in_range
from lossatlas.losses.base import Sum
from lossatlas.losses.noise_robust.nce import NCE
from lossatlas.losses.noise_robust.rce import RCE
from lossatlas.losses.registry import register


@register
class APLNCERCE(Sum):
    """Active passive loss NCE+RCE (Ma et al., 2020, arXiv:2006.13554): alpha NCE + beta RCE.

    The default of A, the number in place of log 0, is log(1e-4), as in the authors' code.
    """

    target = "class_index"

    def __init__(self, alpha: float = 1.0, beta: float = 1.0, A: float = -9.210340371976182):
        super().__init__(
            in_range("alpha", alpha, "[0, inf)") * NCE(),
            in_range("beta", beta, "[0, inf)") * RCE(A),
        )
