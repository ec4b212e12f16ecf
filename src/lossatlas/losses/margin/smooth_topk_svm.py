"""A smooth hinge for the top-k error: sets with the label against sets without it."""

from functools import reduce

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
        k = min(self.top_k, logits.shape[1] - 1)
        wrong = quantities.with_label(logits, target, quantities.LOWEST)
        pivot = wrong.topk(k, dim=1).values[:, k - 1 :]
        lead = (pivot - logits.gather(1, target[:, None])).squeeze(1) / k
        lead = lead + self.temperature * _log_ratio((wrong - pivot) / (k * self.temperature), k)
        # Not softplus, which torch cuts off at 20.
        return -self.temperature * F.logsigmoid(-(self.margin + lead) / self.temperature)


def _log_ratio(d: Tensor, k: int) -> Tensor:
    """log(e_k / e_{k-1}) of exp(d), (N,), for d (N, M) whose k-th largest entry is zero.

    The polynomials are coefficients of prod_j (1 + x_j z), which is multiplied in pairs. With x_j
    taken out of the factors of those above 1, which leaves 1/x_j + z, no number exceeds the number
    of sets; the quotient does not see it.
    """
    above = d.relu()
    product = [torch.exp(-above), torch.exp(d - above)]  # a coefficient each, (N, M)
    while (m := product[0].shape[1]) > 1:
        if m % 2:  # a factor 1
            product = [F.pad(c, (0, 1), value=float(i == 0)) for i, c in enumerate(product)]
        left, right = [c[:, ::2] for c in product], [c[:, 1::2] for c in product]
        product = [
            reduce(
                torch.add,
                [left[i] * right[n - i] for i in range(len(left)) if 0 <= n - i < len(right)],
            )
            for n in range(min(2 * len(left) - 1, k + 1))
        ]
    return (product[k].log() - product[k - 1].log()).squeeze(1)
