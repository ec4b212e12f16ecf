"""Cross-entropy of cosines at a learned scale."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register

LEAST = 0.01  # below which the official Scale layer does not let the scale go


@register
class NormFace(LogitLoss):
    """NormFace (Wang et al., ACM MM 2017, arXiv:1704.06369): CE of learned_scale cos theta.

    Its logits are the cosines of a feature with the class weights. The scale is a parameter, which
    starts at `scale` and counts as 0.01 where it is below.
    """

    target = "class_index"
    parts = ("cosine_head",)
    owns = ("learned_scale",)

    def __init__(self, scale: float = 10.0):
        super().__init__()
        self.scale = in_range("scale", scale, "[0.01, inf)")
        self.learned_scale = nn.Parameter(torch.tensor(self.scale))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        # Relative to the label's score, so that a small loss is not lost beside a large scale.
        lead = quantities.lead(logits, target)
        scale = self.learned_scale.to(logits).clamp(min=LEAST)
        return F.cross_entropy(scale * lead, target, reduction="none")
