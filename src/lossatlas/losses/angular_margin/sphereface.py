"""Cross-entropy of cosines times the feature's length, with the label's angle multiplied."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.angular_margin.l_softmax import multiplied
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SphereFace(LogitLoss):
    """SphereFace, A-Softmax (Liu et al., CVPR 2017, arXiv:1704.08063).

    Cross-entropy of |x| cos theta_k, where the label's score is
    |x| (psi(theta_y) + lam cos theta_y) / (1 + lam); psi is that of `l_softmax`. Its logits are the
    cosines of a feature x with the class weights.
    """

    target = "class_index"
    parts = ("cosine_head",)

    def __init__(self, m: int = 4, lam: float = 5.0):
        super().__init__()
        self.m = int(in_range("m", m, "whole [1, 4]"))
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, features: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K), class indices (N,) and features (N, D)."""
        cosine = logits.gather(1, target[:, None])
        taken = (cosine.clamp(-1, 1) - multiplied(cosine, self.m)) / (1 + self.lam)
        length = torch.linalg.vector_norm(features, dim=1, keepdim=True).to(logits)
        ahead = length * (logits - cosine + taken)
        return quantities.cross_entropy_of_rivals(ahead, target)
