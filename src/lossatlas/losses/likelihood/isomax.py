"""Cross-entropy of minus the distances to class prototypes, at a large scale."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class IsoMax(LogitLoss):
    """IsoMax (Macêdo et al., IJCNN 2021, arXiv:1908.05569): CE of -entropic_scale |h - w_k|.

    Its logits are minus the distances (not squared) of a feature to the class prototypes, which
    start at 0. The scale belongs to training: what the network gives are the distances themselves.
    """

    target = "class_index"
    parts = ("distance_head",)

    def __init__(self, entropic_scale: float = 10.0):
        super().__init__()
        self.entropic_scale = in_range("entropic_scale", entropic_scale, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for minus distances (N, K) and class indices (N,)."""
        # Relative to the label's score, so that a small loss is not lost beside a large scale.
        lead = quantities.lead(logits, target)
        return F.cross_entropy(self.entropic_scale * lead, target, reduction="none")
