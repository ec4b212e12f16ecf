"""Binary losses of the mean candidate score and of each other score."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register

PSI: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda z: (1 - z).relu().square(),
    lambda z: (1 - z).relu(),
    lambda z: -F.logsigmoid(z),
)


@register
class Clpl(LogitLoss):
    """Convex loss for partial labels (Cour, Sapp & Taskar, 2011, JMLR 12), eq. 2.

    psi(mean of s_j over S) + sum of psi(-s_j) over the others, S the set of candidates; psi(z) is
    max(0, 1 - z)^2 (psi 0), max(0, 1 - z) (1) or log(1 + e^-z) (2).
    """

    target = "label_set"

    def __init__(self, psi: float = 0.0):
        super().__init__()
        self.psi = in_range("psi", psi, "whole [0, 2]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for scores (N, K) and candidate sets (N, K) bool."""
        psi = PSI[int(self.psi)]
        mean = logits.masked_fill(~target, 0).sum(1) / target.sum(1)
        return psi(mean) + psi(-quantities.among(logits, ~target)).sum(1)
