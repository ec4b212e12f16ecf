"""Cross-entropy, and the divergence from another image of the same class."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class CsKd(LogitLoss):
    """CS-KD, class-wise self-distillation (Yun et al., CVPR 2020, arXiv:2003.13964).

    The batch's mean of CE(s, y) + lam T^2 KL(softmax(s' / T) || softmax(s / T)), T the temperature.
    s', without gradient, are the scores of the next sample of the same class in the batch, of the
    last one those of the first; a sample that is alone in its class is its own partner.
    """

    target = "class_index"
    per = "batch"
    samples_per_class = 2
    gradient = "the partner's scores"

    def __init__(self, temperature: float = 4.0, lam: float = 1.0):
        super().__init__()
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        theirs = logits.detach()[partners(target)]
        # In float64: at a high temperature the divergence is what two large sums differ by.
        ours = torch.log_softmax(logits.double() / self.temperature, 1)
        wanted = torch.log_softmax(theirs.double() / self.temperature, 1)
        apart = (wanted.exp() * (wanted - ours)).sum(1).mean().to(logits.dtype)
        return F.cross_entropy(logits, target) + self.lam * self.temperature**2 * apart


def partners(target: Tensor) -> Tensor:
    """For each label (N,) the row of the next sample of its class, in a circle; (N,) int64."""
    order = target.argsort(stable=True)
    labels = target[order]
    ahead = torch.arange(1, len(target) + 1, device=target.device)
    first, end = torch.searchsorted(labels, labels), torch.searchsorted(labels, labels, right=True)
    following = torch.where(ahead < end, ahead, first)
    return torch.empty_like(order).scatter(0, order, order[following])
