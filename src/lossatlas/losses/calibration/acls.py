"""Cross-entropy with squared hinges on the predicted class's score and on its distances."""

import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Acls(LogitLoss):
    """ACLS, adaptive and conditional label smoothing (Park et al., ICCV 2023, arXiv:2308.11911).

    CE + alpha [lam_top max(0, s_t - margin)^2 + lam_rest / (K - 1) sum_{k != t} max(0, s_t - s_k -
    margin)^2], t the predicted class; in the second term s_t has no gradient. As in the official
    code; of tied largest scores the first is t.
    """

    target = "class_index"
    gradient = "the largest score, where it meets the other scores"

    def __init__(
        self,
        lam_top: float = 1.0,
        lam_rest: float = 0.1,
        alpha: float = 0.1,
        margin: float = 10.0,
    ):
        super().__init__()
        self.lam_top = in_range("lam_top", lam_top, "[0, inf)")
        self.lam_rest = in_range("lam_rest", lam_rest, "[0, inf)")
        self.alpha = in_range("alpha", alpha, "[0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        num_classes = logits.shape[1]
        best = logits.max(1).values
        # At the predicted class itself it is 0, and so is its slope.
        apart = F.softshrink(best.detach()[:, None] - logits, self.margin).square()
        penalty = self.lam_top * (best - self.margin).relu().square()
        penalty = penalty + self.lam_rest * apart.sum(1) / (num_classes - 1)
        return F.cross_entropy(logits, target, reduction="none") + self.alpha * penalty
