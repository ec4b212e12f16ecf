"""Cross-entropy of minus the distances of unit features to unit prototypes, plus their mean."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class DisMax(LogitLoss):
    """DisMax (Macêdo et al., 2022, arXiv:2205.05874), without its recombined images.

    CE of entropic_scale s, s_k = -(d_k + mean_j d_j), with d_k = |delta| / sqrt(2) times
    |h/|h| - c_k/|c_k||, that is |delta| sqrt(1 - cos). The mean is the same for every class, so
    cross-entropy does not see it, and it is left out. Its logits are the cosines of feature and
    prototypes; what lies outside [-1, 1] is taken for the nearer end. delta is a parameter, which
    starts at `distance_scale`. At a distance of 0 the slope is taken to be 0.
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
        distance = quantities.root(1 - logits.clamp(-1, 1))
        scale = self.entropic_scale * self.learned_scale.to(logits).abs()
        # Relative to the label's score, so that a small loss is not lost beside a large scale.
        lead = -scale * quantities.lead(distance, target)
        return F.cross_entropy(lead, target, reduction="none")
