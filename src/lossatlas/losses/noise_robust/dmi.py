"""The logarithm of a determinant: how well predictions separate the labels of a batch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Dmi(LogitLoss):
    """L_DMI (Xu et al., NeurIPS 2019, arXiv:1909.03388), over a batch.

    lam [-log(|det M| + eps) + shares K log N], M = sum_i e_{y_i} p(x_i)^T of a batch of N. With
    lam = 1, shares = 1 and eps going to 0 it is the paper's -log |det M / N|, with shares = 0 the
    official code's form. Before the share `warmup` of the run it is cross-entropy.
    """

    target = "class_index"
    per = "batch"

    def __init__(
        self, lam: float = 0.01, eps: float = 1e-3, shares: float = 1.0, warmup: float = 0.5
    ):
        super().__init__()
        self.lam = in_range("lam", lam, "(0, inf)")
        self.eps = in_range("eps", eps, "(0, 1]")
        self.shares = in_range("shares", shares, "whole [0, 1]")
        self.warmup = in_range("warmup", warmup, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, progress: float) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        if progress < self.warmup:
            return F.cross_entropy(logits, target)
        n, num_classes = logits.shape
        labels = quantities.one_hot(target, num_classes).double()
        counts = labels.sum(0).clamp(min=1)
        # Rows divided by their counts, so that no determinant of a large batch overflows.
        means = labels.T @ torch.softmax(logits.double(), 1) / counts[:, None]
        scale = counts.log().sum()
        volume = torch.linalg.det(means).abs() + torch.exp(math.log(self.eps) - scale)
        value = -volume.log() - scale + self.shares * num_classes * math.log(n)
        return self.lam * value.to(logits.dtype)
