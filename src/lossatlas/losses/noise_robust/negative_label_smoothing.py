"""Label smoothing whose rate may be negative, so that the label counts for more than one."""

from lossatlas.intervals import in_range
from lossatlas.losses.likelihood.label_smoothing import LabelSmoothing
from lossatlas.losses.registry import register


@register
class NegativeLabelSmoothing(LabelSmoothing):
    """Generalised label smoothing (Wei et al., 2022, arXiv:2106.04149), r at most 1.

    -(1 - r) log p_y - (r / K) sum_k log p_k: label smoothing with epsilon = r, negative by default.
    """

    def __init__(self, r: float = -0.2):
        super().__init__()
        self.r = self.epsilon = in_range("r", r, "(-inf, 1]")
