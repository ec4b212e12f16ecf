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
        # Relative to the label, (n_j / n_y) e^{s_j - s_y}: beside a large score the logarithm of a
        # count would be rounded away, but not beside the difference of two.
        own = target[:, None]
        counts = self.class_counts.to(logits)
        relative = quantities.lead(logits, target) + (counts / counts[own]).log()
        return F.cross_entropy(relative, target, reduction="none")
