"""Cross-entropy with weights that grow with the rank of a sample's confidence in its batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class AurcLoss(LogitLoss):
    """AURC-weighted cross-entropy (Zhou et al., 2025, arXiv:2505.23463).

    (1/N) sum_i a_r(i) CE_i, r(i) the rank of max_k p_k in the batch, 1 the least confident, and
    a_r = psi(N + 1) - psi(N - r + 1) = 1/N + 1/(N - 1) + ... (r terms), which only a change of
    ranks moves. Of equal confidences the one that comes first in the batch ranks first.
    """

    target = "class_index"
    per = "batch"

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K) and class indices (N,)."""
        # Sure samples are told apart by the odds, which do not round.
        sure = quantities.log_odds(logits.detach(), logits.argmax(1))
        order = sure.argsort(stable=True)
        n = len(logits)
        weights = (1 / torch.arange(n, 0, -1, device=logits.device).to(logits)).cumsum(0)
        return (weights * F.cross_entropy(logits, target, reduction="none")[order]).mean()
