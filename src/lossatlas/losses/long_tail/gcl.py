"""Cross-entropy on cosines from which noise is subtracted, more for rarer classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class Gcl(CountedLoss):
    """Gaussian clouded logits (Li et al., 2022, arXiv:2305.11733), first stage.

    Cross-entropy of scale (cos theta_k - noise_mul delta_k |e_k| - margin [k = y]), where delta_k
    = log(n_max / n_k) over its largest value (0 if all counts n are equal), e_k normal of standard
    deviation 1/3, clamped to [-1, 1] and drawn for each sample and class at each call.
    """

    target = "class_index"
    parts = ("cosine_head",)

    def __init__(self, scale: float = 30.0, margin: float = 0.0, noise_mul: float = 0.5):
        super().__init__()
        self.scale = in_range("scale", scale, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")
        self.noise_mul = in_range("noise_mul", noise_mul, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, randomness: torch.Generator) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        lag = (self.class_counts.amax() / self.class_counts).log()
        delta = torch.where(lag > 0, lag / lag.amax(), 0.0)
        shares = torch.rand(
            logits.shape, generator=randomness, device=logits.device, dtype=torch.float64
        )
        noise = (torch.special.ndtri(shares) / 3).clamp(-1, 1).abs()
        label = quantities.one_hot(target, logits.shape[1])
        minus = (self.noise_mul * delta * noise + self.margin * label).to(logits)
        # Relative to the largest cosine, beside which they would be rounded away if it is large.
        top = logits.detach().amax(1, keepdim=True)
        lead = logits - top - quantities.lead(minus, target)
        return F.cross_entropy(self.scale * lead, target, reduction="none")
