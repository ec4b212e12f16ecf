"""A tunable loss between the log loss and the probability of error."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.likelihood.cross_entropy import CrossEntropy
from lossatlas.losses.noise_robust.gce import GCE
from lossatlas.losses.registry import register


@register
class AlphaLoss(LogitLoss):
    """alpha-loss (Sypherd et al., 2022, arXiv:1906.02314): a / (a - 1) (1 - p_y^(1 - 1/a)).

    That is generalised cross-entropy with q = 1 - 1/a; at a = 1 it is -log p_y. The paper's losses
    with alpha below one are left out: for a mistake they grow like exp(-(1/alpha - 1) margin) and
    overflow.
    """

    target = "class_index"

    def __init__(self, alpha: float = 2.0):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[1, inf)")
        self.same = GCE((self.alpha - 1) / self.alpha) if self.alpha > 1 else CrossEntropy()

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        return self.same.per_sample(logits, target)
