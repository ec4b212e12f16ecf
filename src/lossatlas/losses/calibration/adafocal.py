"""Focal loss whose exponent follows, bin by bin, how far confidence is from accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AdaFocal(LogitLoss):
    """AdaFocal (Ghosh et al., NeurIPS 2022, arXiv:2211.11838).

    With the gamma of the bin that p_y lies in: -(1 - p_y)^gamma log p_y, the focal loss, where it
    is not negative, else -(1 + p_y)^|gamma| log p_y. The factor is differentiated, the choice of
    the bin cannot be. After each epoch held-out images move the gammas (see `end_epoch`).
    """

    target = "class_index"
    gamma: Tensor
    edges: Tensor

    def __init__(
        self,
        lam: float = 1.0,
        gamma_initial: float = 1.0,
        gamma_max: float = 20.0,
        gamma_min: float = -2.0,
        switch_pt: float = 0.2,
        num_bins: float = 15,
    ):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")
        self.gamma_initial = in_range("gamma_initial", gamma_initial, "[-100, 100]")
        self.gamma_max = in_range("gamma_max", gamma_max, "[1, 100]")
        self.gamma_min = in_range("gamma_min", gamma_min, "[-100, 1]")
        self.switch_pt = in_range("switch_pt", switch_pt, "[0, 1]")
        self.num_bins = in_range("num_bins", num_bins, "whole [1, 100]")
        self.register_buffer("gamma", torch.full((int(self.num_bins),), self.gamma_initial))
        self.register_buffer("edges", torch.arange(1, int(self.num_bins)) / self.num_bins)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        odds = quantities.log_odds(logits, target)
        p = torch.sigmoid(odds)
        gamma = self.gamma.to(p)[self._bins(p.detach())]
        base = torch.where(gamma >= 0, F.logsigmoid(-odds), torch.log1p(p))
        return -torch.exp(gamma.abs() * base) * F.logsigmoid(odds)

    def _bins(self, p: Tensor) -> Tensor:
        return (p[:, None] > self.edges.to(p)).sum(1)

    @torch.no_grad()
    def end_epoch(self, *, held_out: tuple[Tensor, Tensor]) -> None:
        """Makes bins of as many held-out images each, by their largest probability, and moves the
        gamma of each by its gap, mean confidence less accuracy.

        Logits (M, K) and labels (M,). A positive gamma is multiplied by exp(lam gap), a negative
        one by exp(-lam gap); what falls below `switch_pt` in size changes its sign.
        """
        confidence, guess = torch.softmax(held_out[0].to(self.gamma), 1).max(1)
        shares = torch.arange(1, len(self.gamma)).to(self.gamma) / self.num_bins
        self.edges.copy_(torch.quantile(confidence, shares))
        places = self._bins(confidence)
        apart = confidence - (guess == held_out[1]).to(confidence)
        sums = torch.zeros_like(self.gamma).index_add(0, places, apart)
        gap = sums / torch.bincount(places, minlength=len(self.gamma)).clamp(min=1)
        moved = self.gamma * torch.exp(self.lam * torch.where(self.gamma > 0, gap, -gap))
        crossed = -moved.sign() * self.switch_pt
        moved = torch.where(moved.abs() < self.switch_pt, crossed, moved)
        self.gamma.copy_(moved.clamp(self.gamma_min, self.gamma_max))
