"""ArcFace whose margin grows with the feature's length, and a price on short features."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.angular_margin.arcface import enlarged
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class MagFace(LogitLoss):
    """MagFace (Meng et al., CVPR 2021, arXiv:2103.06627).

    Cross-entropy of scale cos theta with cos(theta_y + m(a)) at the label, plus lam (1/a +
    a/u_a^2). a is the feature's length, clipped to [l_a, u_a]; m(a) grows linearly from l_m to u_m.
    The margin counts where cos theta_y > 0; with `easy` = 0 everywhere, and then the label's score
    is cos theta_y - m sin m where the angle exceeds pi. Nothing is detached.
    """

    target = "class_index"
    parts = ("cosine_head",)

    def __init__(
        self,
        scale: float = 64.0,
        l_a: float = 1.0,
        u_a: float = 51.0,
        l_m: float = 0.45,
        u_m: float = 1.0,
        lam: float = 5.0,
        easy: float = 1.0,
    ):
        super().__init__()
        self.scale = in_range("scale", scale, "(0, inf)")
        self.l_a = in_range("l_a", l_a, "(0, 50]")
        self.u_a = in_range("u_a", u_a, "(50, 1000]")
        self.l_m = in_range("l_m", l_m, "[0, 1.5]")
        self.u_m = in_range("u_m", u_m, "[0, 1.5]")
        self.lam = in_range("lam", lam, "[0, inf)")
        self.easy = in_range("easy", easy, "whole [0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, features: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K), class indices (N,) and features (N, D)."""
        cosines = logits.clamp(-1, 1)
        cosine = cosines.gather(1, target[:, None])
        length = torch.linalg.vector_norm(features, dim=1, keepdim=True).to(logits)
        a = length.clamp(self.l_a, self.u_a)
        m = self.l_m + (self.u_m - self.l_m) * (a - self.l_a) / (self.u_a - self.l_a)
        score = enlarged(cosine, m.cos(), m.sin())
        if self.easy == 1:
            score = torch.where(cosine > 0, score, cosine)
        else:
            beyond = cosine <= (math.pi - m).cos()  # theta + m >= pi
            score = torch.where(beyond, cosine - m * m.sin(), score)
        price = self.lam * (1 / a + a / self.u_a**2).squeeze(1)
        values = quantities.cross_entropy_of_rivals(self.scale * (cosines - score), target)
        return values + price
