"""Cross-entropy plus the squared distance of the feature to its class's running mean."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CenterLoss(LogitLoss):
    """Center loss joint with softmax (Wen et al., ECCV 2016): CE(s, y) + lam / 2 |h - c_y|^2.

    In training, after the values are computed, the centre of class j moves by
    -alpha sum_i (c_j - h_i) / (1 + n_j) over the n_j samples of that class in the batch.
    """

    target = "class_index"
    centres: Tensor

    def __init__(self, lam: float = 0.008, alpha: float = 0.5):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")
        self.alpha = in_range("alpha", alpha, "[0, 1]")

    def setup(self, *, num_classes: int, feature_dim: int) -> None:
        """Makes the centres, (num_classes, feature_dim), zeros at the start."""
        self.register_buffer("centres", torch.zeros(num_classes, feature_dim))

    def per_sample(self, logits: Tensor, target: Tensor, *, features: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and features (N, D)."""
        square = (features - self.centres[target].to(features)).square().sum(1)
        if self.training:
            self._move(features.detach(), target)
        return F.cross_entropy(logits, target, reduction="none") + self.lam / 2 * square.to(logits)

    @torch.no_grad()
    def _move(self, features: Tensor, target: Tensor) -> None:
        own = quantities.one_hot(target, len(self.centres)).T.to(self.centres)
        count = own.sum(1, keepdim=True)
        apart = count * self.centres - own @ features.to(self.centres)
        self.centres -= self.alpha * apart / (1 + count)
