"""Cross-entropy of cosines, scaled by a number that is read off each batch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AdaCos(LogitLoss):
    """AdaCos (Zhang et al., CVPR 2019, arXiv:1905.00292): cross-entropy of sigma cos theta.

    sigma starts at sqrt(2) log(K - 1). In training it becomes log B / cos(min(pi / 4, theta_med)),
    before use and without gradient: B is the batch's mean of sum_{j != y} exp(sigma cos theta_j)
    with the sigma of before, theta_med the median of the labels' angles (the lower of two).
    """

    target = "class_index"
    parts = ("cosine_head",)
    gradient = "sigma, which is read off the batch"
    sigma: Tensor

    def setup(self, *, num_classes: int) -> None:
        """Makes the scale sigma, ()."""
        self.register_buffer("sigma", torch.tensor(math.sqrt(2) * math.log(num_classes - 1)))

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        if self.training:
            with torch.no_grad():
                self._move(logits.clamp(-1, 1).to(self.sigma), target)
        # Relative to the label's score, so that a small loss is not lost beside a large scale.
        lead = self.sigma.to(logits) * quantities.lead(logits, target)
        return F.cross_entropy(lead, target, reduction="none")

    def _move(self, cosines: Tensor, target: Tensor) -> None:
        rivals = quantities.rivals(cosines, target, cosines.shape[1])
        log_b = torch.logsumexp(self.sigma * rivals, (0, 1)) - math.log(len(target))
        # The median of angles by that of minus their cosines, which rise with them.
        middle = -(-cosines.gather(1, target[:, None])).median()
        self.sigma.copy_(log_b / middle.clamp(min=math.cos(math.pi / 4)))
