"""Normalised focal loss plus half the mean absolute error."""

from lossatlas.intervals import in_range
from lossatlas.losses.base import Sum
from lossatlas.losses.noise_robust.mae import MAE
from lossatlas.losses.noise_robust.nfl import NFL
from lossatlas.losses.registry import register


@register
class APLNFLMAE(Sum):
    """Active passive loss NFL+MAE (Ma et al., 2020, arXiv:2006.13554): alpha NFL + beta (1 - p_y).

    The passive part is half of `mae`, as in the authors' code.
    """

    target = "class_index"

    def __init__(self, alpha: float = 1.0, beta: float = 1.0, gamma: float = 0.5):
        super().__init__(
            in_range("alpha", alpha, "[0, inf)") * NFL(gamma),
            in_range("beta", beta, "[0, inf)") * MAE() / 2,
        )
