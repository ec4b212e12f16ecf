"""ArcFace whose hard rivals first count less, and later more."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.angular_margin.arcface import enlarged
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CurricularFace(LogitLoss):
    """CurricularFace (Huang et al., CVPR 2020, arXiv:2004.00288).

    Cross-entropy of scale times: at the label cos(theta + margin), or cos theta - margin sin margin
    where that angle exceeds pi; at a rival its cosine c, or c (t + c) where c > cos(theta_y +
    margin). In training, t moves by (1 - momentum) towards the batch's mean of cos theta_y, before
    use and without gradient.
    """

    target = "class_index"
    parts = ("cosine_head",)
    gradient = "t, the running mean of the labels' cosines"
    t: Tensor

    def __init__(self, scale: float = 64.0, margin: float = 0.5, momentum: float = 0.99):
        super().__init__()
        self.scale = in_range("scale", scale, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, 3]")
        self.momentum = in_range("momentum", momentum, "[0, 1]")
        self.register_buffer("t", torch.zeros(()))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        cosines = logits.clamp(-1, 1)
        cosine = cosines.gather(1, target[:, None])
        if self.training:
            with torch.no_grad():
                self.t.lerp_(cosine.mean().to(self.t), 1 - self.momentum)
        moved = enlarged(cosine, math.cos(self.margin), math.sin(self.margin))
        hard = cosines > moved
        rivals = torch.where(hard, cosines * (self.t.to(cosines) + cosines), cosines)
        beyond = cosine <= -math.cos(self.margin)  # theta + margin >= pi
        score = torch.where(beyond, cosine - self.margin * math.sin(self.margin), moved)
        return quantities.cross_entropy_of_rivals(self.scale * (rivals - score), target)
