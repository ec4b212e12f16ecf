"""Normalised cross-entropy plus half the mean absolute error."""

from lossatlas.intervals import in_range
from lossatlas.losses.base import Sum
from lossatlas.losses.noise_robust.mae import MAE
from lossatlas.losses.noise_robust.nce import NCE
from lossatlas.losses.registry import register


@register
class APLNCEMAE(Sum):
    """Active passive loss NCE+MAE (Ma et al., 2020, arXiv:2006.13554): alpha NCE + beta (1 - p_y).

    The passive part is half of `mae`, as in the authors' code.
    """

    target = "class_index"

    def __init__(self, alpha: float = 1.0, beta: float = 1.0):
        super().__init__(
            in_range("alpha", alpha, "[0, inf)") * NCE(),
            in_range("beta", beta, "[0, inf)") * MAE() / 2,
        )
