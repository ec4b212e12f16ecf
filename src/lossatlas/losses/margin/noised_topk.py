"""A hinge against the (k+1)-th largest score, averaged over noise."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class NoisedTopk(LogitLoss):
    """Noised top-k hinge (Garcin et al., ICML 2022, arXiv:2202.02193), the balanced form.

    max(0, 1 + t - s_y), t the mean over n_sample draws of the (top_k + 1)-th largest of
    s + epsilon Z, Z standard normal, drawn anew at each call, in evaluation too. With fewer classes
    than that the smallest score is taken.
    """

    target = "class_index"

    def __init__(self, top_k: float = 1.0, epsilon: float = 1.0, n_sample: float = 5.0):
        super().__init__()
        self.top_k = int(in_range("top_k", top_k, "whole [1, 10]"))
        self.epsilon = in_range("epsilon", epsilon, "[0, inf)")
        self.n_sample = int(in_range("n_sample", n_sample, "whole [1, 20]"))

    def per_sample(self, logits: Tensor, target: Tensor, *, randomness: torch.Generator) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        n, num_classes = logits.shape
        shares = torch.rand(
            (n, self.n_sample, num_classes),
            generator=randomness, device=logits.device, dtype=torch.float64,
        )  # fmt: skip
        noise = self.epsilon * torch.special.ndtri(shares).to(logits)
        # Relative to the label's score, so that a small margin is not lost beside a large score.
        lead = quantities.lead(logits, target)
        rank = min(self.top_k, num_classes - 1)
        rival = (lead[:, None] + noise).topk(rank + 1, dim=2).values[:, :, rank]
        return (1 + rival.mean(1)).relu()
