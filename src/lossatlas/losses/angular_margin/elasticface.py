"""ArcFace or CosFace with a margin drawn anew for each sample."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.angular_margin.arcface import enlarged
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class ElasticFace(LogitLoss):
    """ElasticFace (Boutros et al., CVPR Workshops 2022, arXiv:2109.09416).

    Cross-entropy of scale cos theta, with cos(theta_y + m_i) at the label (variant 0, Arc), or
    cos theta_y - m_i (variant 1, Cos), where m_i is drawn from a normal distribution of mean
    `margin` and standard deviation `spread`, anew at each call, in evaluation too.
    """

    target = "class_index"
    parts = ("cosine_head",)

    def __init__(
        self, scale: float = 64.0, margin: float = 0.5, spread: float = 0.05, variant: float = 0.0
    ):
        super().__init__()
        self.scale = in_range("scale", scale, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, 3]")
        self.spread = in_range("spread", spread, "[0, inf)")
        self.variant = in_range("variant", variant, "whole [0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, randomness: torch.Generator) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        cosines = logits.clamp(-1, 1)
        cosine = cosines.gather(1, target[:, None])
        shares = torch.rand(len(logits), 1, generator=randomness, device=logits.device,
                            dtype=torch.float64)  # fmt: skip
        margins = self.margin + self.spread * torch.special.ndtri(shares)
        if self.variant == 1:
            score = cosine - margins.to(logits)
        else:  # in float64: of a wide spread the cosine has no digits in float32
            score = enlarged(cosine, margins.cos().to(logits), margins.sin().to(logits))
        return quantities.cross_entropy_of_rivals(self.scale * (cosines - score), target)
