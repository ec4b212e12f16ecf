"""Cross-entropy on a softmax whose classes weigh as much as they have training samples."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class BalancedSoftmax(CountedLoss):
    """Balanced softmax (Ren et al., 2020, arXiv:2007.10740): -log(n_y e^{s_y} / sum_k n_k e^{s_k}).

    n_k counts the training samples of class k. At test time the logits are used as they are.
    """

    target = "class_index"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        shift = quantities.log_ratios(self.class_counts, logits, target)
        return F.cross_entropy(quantities.lead(logits, target) + shift, target, reduction="none")
