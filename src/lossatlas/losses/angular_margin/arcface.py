"""Cross-entropy of cosines with a margin added to the label's angle."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class ArcFace(LogitLoss):
    """ArcFace (Deng et al., CVPR 2019, arXiv:1801.07698): -log softmax of scale cos(theta + m e_y).

    Its logits are the cosines of a feature with the class weights; what lies outside [-1, 1] is
    taken for the nearer end. Where the label's angle plus the margin exceeds pi, the label's score
    is what `continuation` says: 0, cos(theta + m) itself; 1, cos theta - m sin m; 2, -1. At
    |cos theta| = 1, where the slope in the cosine is infinite, it is taken to be cos m.
    """

    target = "class_index"
    parts = ("cosine_head",)

    def __init__(self, scale: float = 64.0, margin: float = 0.5, continuation: float = 0.0):
        super().__init__()
        self.scale = in_range("scale", scale, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, 3]")
        self.continuation = in_range("continuation", continuation, "whole [0, 2]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        cosines = logits.clamp(-1, 1)
        cosine = cosines.gather(1, target[:, None])
        score = enlarged(cosine, math.cos(self.margin), math.sin(self.margin))
        beyond = cosine < -math.cos(self.margin)  # theta + m > pi
        if self.continuation == 1:
            score = torch.where(beyond, cosine - self.margin * math.sin(self.margin), score)
        elif self.continuation == 2:
            score = torch.where(beyond, -1.0, score)
        return quantities.cross_entropy_of_rivals(self.scale * (cosines - score), target)


def enlarged(cosine: Tensor, cos_m: float | Tensor, sin_m: float | Tensor) -> Tensor:
    """cos(theta + m) of cosines in [-1, 1]; at their ends its slope is taken to be cos m."""
    sine = quantities.root((1 - cosine) * (1 + cosine))
    return cosine * cos_m - sine * sin_m
