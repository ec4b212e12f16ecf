"""Cross-entropy to labels that are softened by the network's own prediction an epoch ago."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class PsKd(LogitLoss):
    """Progressive self-knowledge distillation (Kim et al., 2021, arXiv:2006.12000).

    Cross-entropy to (1 - a) e_y + a p', a = alpha t / T in epoch t = 1 ... T, where p', a memory of
    each training sample, is what the network gave it in training mode an epoch ago (at first the
    label), stored after use. In eval mode it stands still. An index must not come twice in a
    training batch.
    """

    target = "class_index"
    memory: Tensor

    def __init__(self, alpha: float = 0.8):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[0, 1]")

    def setup(self, *, num_samples: int, num_classes: int, epochs: int) -> None:
        """Makes the memory, (num_samples, num_classes); a row of zeros stands for the label."""
        self.register_buffer("memory", torch.zeros(num_samples, num_classes))
        self.epochs = epochs

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int, indices: Tensor) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,), the epoch from 0, samples' numbers."""
        log_p = torch.log_softmax(logits, 1)
        label = quantities.one_hot(target, logits.shape[1]).to(self.memory)
        past = self.memory[indices]
        past = torch.where(past.sum(1, keepdim=True) > 0, past, label)
        if self.training:
            with torch.no_grad():
                self.memory[indices] = log_p.exp().to(past)
        a = self.alpha * min(1.0, (epoch + 1) / self.epochs)
        return -(((1 - a) * label + a * past).to(log_p) * log_p).sum(1)
