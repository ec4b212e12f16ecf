"""Cross-entropy to the candidates as the network weighed them at its last look."""

import torch
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Proden(LogitLoss):
    """PRODEN, progressive identification (Lv et al., 2020, arXiv:2002.08053).

    -sum_{j in S} w_j log p_j, S the set of candidates. w, a memory of each training sample, is
    1 / |S| at first; after use it becomes p restricted to S and scaled to sum 1, from the same
    forward pass. In eval mode it stands still. An index must not come twice in a training batch.
    """

    target = "label_set"
    memory: Tensor

    def setup(self, *, num_samples: int, num_classes: int) -> None:
        """Makes the memory, (num_samples, num_classes); a row of zeros stands for equal weights."""
        self.register_buffer("memory", torch.zeros(num_samples, num_classes))

    def per_sample(self, logits: Tensor, target: Tensor, *, indices: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), candidates (N, K) bool, samples' numbers (N,) int64."""
        # Masked by the candidates, so that a weight that has underflowed to 0 can come back.
        w = self.memory[indices].masked_fill(~target, 0)
        w = torch.where(w.sum(1, keepdim=True) > 0, w, target.to(w))
        if self.training:
            with torch.no_grad():
                inside = torch.softmax(quantities.among(logits, target), 1)
                self.memory[indices] = inside.to(w)
        w = (w / w.sum(1, keepdim=True)).to(logits)
        return -(w * torch.log_softmax(logits, 1)).sum(1)
