"""Cross-entropy with distances between scores held below a margin, by a multiplier a class."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register

LEAST, MOST = 1e-6, 1e6  # of a multiplier
RHO_MAX, GROWTH = 10.0, 1.2  # of a penalty parameter
TAU, STEP = 0.9, 10  # what share of the mean h is too much; looked at each so many epochs


@register
class Cals(LogitLoss):
    """Class-adaptive label smoothing, CALS-ALM (Liu et al., 2023, arXiv:2211.15088).

    CE(s, y) + 1/K sum_k PHR(h_k), h_k = (max_j s_j - s_k - margin) / margin, and for a class's
    multiplier l and penalty parameter r, PHR(h) = l h + r h^2 / 2 where l + r h >= 0, else
    -l^2 / 2r. After each epoch both move by what held-out images say (see `end_epoch`).
    """

    target = "class_index"
    multipliers: Tensor
    rho: Tensor
    previous: Tensor

    def __init__(self, margin: float = 10.0):
        super().__init__()
        self.margin = in_range("margin", margin, "(0, inf)")

    def setup(self, *, num_classes: int) -> None:
        """Makes multipliers and penalty parameters, and the mean h of the epoch before, all (K,).

        That is infinite before the first epoch, so that nothing has got worse after it.
        """
        self.register_buffer("multipliers", torch.full((num_classes,), LEAST))
        self.register_buffer("rho", torch.ones(num_classes))
        self.register_buffer("previous", torch.full((num_classes,), torch.inf))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        h, multipliers, rho = self._excess(logits), self.multipliers.to(logits), self.rho.to(logits)
        beyond = h * (multipliers + rho * h / 2)
        penalty = torch.where(multipliers + rho * h >= 0, beyond, -(multipliers**2) / (2 * rho))
        return F.cross_entropy(logits, target, reduction="none") + penalty.mean(1)

    def _excess(self, logits: Tensor) -> Tensor:
        return (logits.amax(1, keepdim=True) - logits - self.margin) / self.margin

    @torch.no_grad()
    def end_epoch(self, *, epoch: int, held_out: tuple[Tensor, Tensor]) -> None:
        """Moves multipliers, then penalty parameters, by the logits (M, K) of held-out images.

        A multiplier becomes the mean slope of its PHR. Each 10 epochs a penalty parameter grows by
        a factor of 1.2 where the mean h is above 0.9 times that of the epoch before.
        """
        h = self._excess(held_out[0].to(self.rho))
        slopes = (self.multipliers + self.rho * h).clamp(LEAST, MOST)
        self.multipliers.copy_(slopes.mean(0))
        if (epoch + 1) % STEP == 0:
            worse = h.mean(0) > TAU * self.previous.clamp(min=0)
            self.rho.copy_(torch.where(worse, GROWTH * self.rho, self.rho).clamp(max=RHO_MAX))
        self.previous.copy_(h.mean(0))
