"""Focal loss plus how far each class's mean probability is from its frequency, over a batch."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.likelihood.focal import Focal
from lossatlas.losses.registry import register


@register
class Mdca(Focal):
    """MDCA (Hebbalaguppe et al., 2022, arXiv:2203.13834): mean focal loss + beta penalty.

    The penalty is the mean over classes of |mean p_k - share of label k|, means over the batch;
    gamma = 0 gives cross-entropy in the place of the focal loss.
    """

    per = "batch"

    def __init__(self, beta: float = 1.0, gamma: float = 1.0):
        super().__init__(in_range("gamma", gamma, "[0, 10]"))
        self.beta = in_range("beta", beta, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        counts = torch.zeros_like(logits[0]).index_add(0, target, torch.ones_like(logits[:, 0]))
        apart = torch.softmax(logits, 1).mean(0) - counts / len(target)
        return super().per_sample(logits, target).mean() + self.beta * apart.abs().mean()
