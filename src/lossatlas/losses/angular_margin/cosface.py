"""Cross-entropy of cosines with a margin taken off the label's."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CosFace(LogitLoss):
    """CosFace (Wang et al., CVPR 2018, arXiv:1801.09414): CE of scale (cos theta - margin e_y).

    Also called AM-Softmax. Its logits are the cosines of a feature with the class weights.
    """

    target = "class_index"
    parts = ("cosine_head",)

    def __init__(self, scale: float = 64.0, margin: float = 0.35):
        super().__init__()
        self.scale = in_range("scale", scale, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        ahead = quantities.lead(logits, target) + self.margin
        return quantities.cross_entropy_of_rivals(self.scale * ahead, target)
