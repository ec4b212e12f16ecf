"""Cross-entropy of minus the distances of unit features to unit prototypes, at a large scale."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class IsoMaxPlus(LogitLoss):
    """IsoMax+ (Macêdo & Ludermir, 2021, arXiv:2105.14399): CE of -entropic_scale d.

    d_k = |delta| |h/|h| - c_k/|c_k|| = |delta| sqrt(2 - 2 cos), not squared. Its logits are the
    cosines of feature and prototypes; what lies outside [-1, 1] is taken for the nearer end. delta
    is a parameter, which starts at `distance_scale`. At a distance of 0, where the slope in the
    cosine is infinite, it is taken to be 0.
    """

    target = "class_index"
    parts = ("cosine_head",)
    owns = ("learned_scale",)

    def __init__(self, entropic_scale: float = 10.0, distance_scale: float = 1.0):
        super().__init__()
        self.entropic_scale = in_range("entropic_scale", entropic_scale, "(0, inf)")
        self.distance_scale = in_range("distance_scale", distance_scale, "(0, inf)")
        self.learned_scale = nn.Parameter(torch.tensor(self.distance_scale))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        distance = quantities.root(2 * (1 - logits.clamp(-1, 1)))
        scale = self.entropic_scale * self.learned_scale.to(logits).abs()
        # Relative to the label's score, so that a small loss is not lost beside a large scale.
        lead = -scale * quantities.lead(distance, target)
        return F.cross_entropy(lead, target, reduction="none")
