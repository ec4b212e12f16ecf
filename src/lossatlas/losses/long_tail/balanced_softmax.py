"""Cross-entropy on a softmax whose classes weigh as much as they have training samples."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class BalancedSoftmax(LogitLoss):
    """Balanced softmax (Ren et al., 2020, arXiv:2007.10740): -log(n_y e^{s_y} / sum_k n_k e^{s_k}).

    n_k counts the training samples of class k. At test time the logits are used as they are.
    """

    target = "class_index"
    class_counts: Tensor

    def setup(self, *, class_counts: Tensor) -> None:
        """Takes the training samples of each class, (K,) float64."""
        self.register_buffer("class_counts", class_counts)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        shift = quantities.log_ratios(self.class_counts, logits, target)
        return F.cross_entropy(quantities.lead(logits, target) + shift, target, reduction="none")
