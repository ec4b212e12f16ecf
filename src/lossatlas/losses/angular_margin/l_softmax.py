"""Cross-entropy of inner products, with the label's angle multiplied."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class LSoftmax(LogitLoss):
    """L-Softmax (Liu et al., ICML 2016, arXiv:1612.02295): the label's angle counts m times.

    Cross-entropy of the logits w_k . x (of a head without a bias), where the label's is
    |w_y| |x| (psi(theta) + lam cos theta) / (1 + lam); psi is that of `multiplied`.
    """

    target = "class_index"

    def __init__(self, m: int = 2, lam: float = 0.0):
        super().__init__()
        self.m = int(in_range("m", m, "whole [1, 4]"))
        self.lam = in_range("lam", lam, "[0, inf)")

    def per_sample(
        self, logits: Tensor, target: Tensor, *, features: Tensor, head_weight: Tensor
    ) -> Tensor:
        """Values (N,): logits (N, K), class indices (N,), features (N, D), class weights (K, D)."""
        own = torch.linalg.vector_norm(head_weight, dim=1).to(logits)[target]
        length = own * torch.linalg.vector_norm(features, dim=1).to(logits)
        cosine = quantities.of_label(logits, target) / torch.where(length > 0, length, 1.0)
        taken = length * (cosine.clamp(-1, 1) - multiplied(cosine, self.m)) / (1 + self.lam)
        ahead = quantities.lead(logits, target) + taken[:, None]
        return quantities.cross_entropy_of_rivals(ahead, target)


def multiplied(cosine: Tensor, m: int) -> Tensor:
    """psi(theta) = (-1)^j cos(m theta) - 2j for theta in [j pi / m, (j + 1) pi / m], m of 1 to 4.

    It continues cos(m theta) so that it falls up to pi. In the cosine it is a polynomial on each
    piece, so that no slope is infinite; cosines outside [-1, 1] are taken for the nearer end.
    """
    c = cosine.clamp(-1, 1)
    square = c * c
    wave = (c, 2 * square - 1, c * (4 * square - 3), 8 * square * (square - 1) + 1)[m - 1]
    passed = torch.zeros_like(c)
    for j in range(1, m):
        passed = passed + (c < math.cos(j * math.pi / m)).to(c)
    return torch.where(passed % 2 == 0, wave, -wave) - 2 * passed
