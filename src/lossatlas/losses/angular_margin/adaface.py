"""Margins of cosine and of angle, balanced by how long the feature is."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AdaFace(LogitLoss):
    """AdaFace (Kim et al., CVPR 2022, arXiv:2204.00964).

    Cross-entropy of scale times the cosines, the label's being cos(theta - margin z) - margin (1 +
    z), with z = clip(h (|x| - mean) / (std + eps), -1, 1) without gradient. As in the official
    code |x| is clipped to [0.001, 100], cosines to +-(1 - eps) and the moved angle to
    [eps, pi - eps]. mean and std of |x| are running ones, moved in training before they are used.
    """

    target = "class_index"
    parts = ("cosine_head",)
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        margin: float = 0.4,
        h: float = 0.333,
        scale: float = 64.0,
        t_alpha: float = 0.01,
        eps: float = 1e-3,
    ):
        super().__init__()
        self.margin = in_range("margin", margin, "[0, 1.5]")
        self.h = in_range("h", h, "[0, inf)")
        self.scale = in_range("scale", scale, "(0, inf)")
        self.t_alpha = in_range("t_alpha", t_alpha, "[0, 1]")
        self.eps = in_range("eps", eps, "(0, 0.1]")
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("std", torch.tensor(100.0))

    def per_sample(self, logits: Tensor, target: Tensor, *, features: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K), class indices (N,) and features (N, D)."""
        length = torch.linalg.vector_norm(features.detach(), dim=1).to(logits).clamp(1e-3, 100)
        if self.training and len(length) > 1:  # one length has no spread
            self.mean.lerp_(length.mean().to(self.mean), self.t_alpha)
            self.std.lerp_(length.std().to(self.std), self.t_alpha)
        z = self.h * (length - self.mean.to(length)) / (self.std.to(length) + self.eps)
        z = z.clamp(-1, 1)[:, None]
        cosines = logits.clamp(self.eps - 1, 1 - self.eps)
        cosine = cosines.gather(1, target[:, None])
        angle = (torch.acos(cosine) - self.margin * z).clamp(self.eps, math.pi - self.eps)
        score = torch.cos(angle) - self.margin * (1 + z)
        return quantities.cross_entropy_of_rivals(self.scale * (cosines - score), target)
