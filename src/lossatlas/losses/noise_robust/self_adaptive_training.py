"""Cross-entropy to targets that drift from the label to the running mean of the predictions."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SelfAdaptiveTraining(LogitLoss):
    """Self-adaptive training (Huang et al., 2020, arXiv:2002.10319).

    -sum_i w_i <t_i, log p_i> / sum_i w_i over a batch, where t_i, a memory of each training sample,
    begins at the label and becomes alpha t + (1 - alpha) p, moved before it is used and without
    gradient, and w_i = max_k t_ik. Before the share `start` of the run it is mean cross-entropy. In
    eval mode the memory stands still. An index must not come twice in a training batch.
    """

    target = "class_index"
    per = "batch"
    gradient = "targets t and weights, which hold 1 - alpha of the current prediction"
    memory: Tensor

    def __init__(self, alpha: float = 0.9, start: float = 0.3):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, 1]")
        self.start = in_range("start", start, "[0, 1]")

    def setup(self, *, num_samples: int, num_classes: int) -> None:
        """Makes the memory, (num_samples, num_classes); a row of zeros stands for the label."""
        self.register_buffer("memory", torch.zeros(num_samples, num_classes))

    def per_sample(
        self, logits: Tensor, target: Tensor, *, indices: Tensor, progress: float
    ) -> Tensor:
        """One value () for logits (N, K), class indices (N,) and samples' numbers (N,) int64."""
        if progress < self.start:
            return F.cross_entropy(logits, target)
        log_p = torch.log_softmax(logits, 1)
        label = quantities.one_hot(target, logits.shape[1]).to(self.memory)
        t = self.memory[indices]
        t = torch.where(t.sum(1, keepdim=True) > 0, t, label)
        if self.training:
            t = self.alpha * t + (1 - self.alpha) * log_p.detach().exp().to(t)
            with torch.no_grad():
                self.memory[indices] = t
        t = t.to(log_p)
        weight = t.amax(1)
        return -(weight * (t * log_p).sum(1)).sum() / weight.sum()
