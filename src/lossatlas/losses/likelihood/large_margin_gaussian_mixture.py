"""Cross-entropy of minus half the squared distances to class means, the label's enlarged."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LargeMarginGaussianMixture(LogitLoss):
    """Large-margin Gaussian mixture loss (Wan et al., CVPR 2018, arXiv:1803.02988), Lambda = I.

    CE(-(1 + alpha e_y) d, y) + lam d_y with d_k = |h - mu_k|^2 / 2, as in all released code. Its
    logits are minus the distances |h - mu_k| of a feature to the learned class means.
    """

    target = "class_index"
    parts = ("distance_head",)
    prototypes = "drawn"

    def __init__(self, alpha: float = 0.1, lam: float = 0.01):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for minus distances (N, K) and class indices (N,)."""
        square = logits.double().square()  # of far distances it overflows float32
        own = square.gather(1, target[:, None]) / 2
        ahead = torch.sub((1 + self.alpha) * own, square, alpha=0.5)
        values = quantities.cross_entropy_of_rivals(ahead, target)
        return (values + self.lam * own[:, 0]).to(logits.dtype)
