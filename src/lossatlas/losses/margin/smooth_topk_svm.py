"""A smooth hinge for the top-k error: sets with the label against sets without it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SmoothTopkSvm(LogitLoss):
    """Smooth top-k SVM (Berrada, Zisserman & Kumar, 2018, arXiv:1802.07595).

    T log sum_B exp((margin [y not in B] + mean_B s) / T) - T log sum_{B with y} exp(mean_B s / T),
    the sums over sets B of k classes. With x_j = exp(s_j / (k T)) and the elementary symmetric
    polynomials e_k of the wrong classes' x_j that is T log(1 + e^(margin / T) e_k / (x_y e_{k-1})).
    With fewer than k wrong classes, k is their number.
    """

    target = "class_index"

    def __init__(self, top_k: float = 5.0, temperature: float = 1.0, margin: float = 1.0):
        super().__init__()
        self.top_k = int(in_range("top_k", top_k, "whole [1, 10]"))
        self.temperature = in_range("temperature", temperature, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        rivals = quantities.rivals(logits, target, logits.shape[1])
        k = min(self.top_k, rivals.shape[1])
        pivot = rivals[:, k - 1 : k]
        lead = (pivot - logits.gather(1, target[:, None])).squeeze(1) / k
        lead = lead + self.temperature * _log_ratio((rivals - pivot) / (k * self.temperature), k)
        # Not softplus, which torch cuts off at 20.
        return -self.temperature * F.logsigmoid(-(self.margin + lead) / self.temperature)


def _log_ratio(d: Tensor, k: int) -> Tensor:
    """log(e_k / e_{k-1}) of exp(d), for falling d (N, M) whose k-th entry is zero.

    The polynomials are coefficients of prod_j (1 + x_j z). With x_j taken out of the factors of
    the k - 1 largest, which leaves 1/x_j + z, no number exceeds the number of sets.
    """
    sizes = torch.cat([-d[:, : k - 1], d[:, k - 1 :]], 1).exp()
    coefficients = [torch.ones_like(d[:, 0])]
    for j in range(d.shape[1]):
        low, high = (sizes[:, j], 1.0) if j < k - 1 else (1.0, sizes[:, j])
        shifted = [coefficients[0] * low]
        for here, before in zip(coefficients[1:], coefficients, strict=False):
            shifted.append(here * low + before * high)
        coefficients = [*shifted, coefficients[-1] * high][: k + 1]
    return coefficients[k].log() - coefficients[k - 1].log()
