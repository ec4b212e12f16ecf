"""Cross-entropy with a margin for the label's score, larger for rarer classes."""

from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import CountedLoss
from lossatlas.losses.registry import register


@register
class Ldam(CountedLoss):
    """LDAM (Cao et al., 2019, arXiv:1906.07413): cross-entropy of sigma (z - Delta_y e_y), label y.

    Delta_k = max_m (n_min / n_k)^(1/4), n_k the training samples of class k, so that the rarest
    class has margin max_m; z are cosines. Deferred re-weighting (DRW): from the share drw_start of
    the run on, values are multiplied by (1 - drw_beta) / (1 - drw_beta^n_y), scaled to a sum of K
    over the classes; drw_beta = 0 is no re-weighting.
    """

    target = "class_index"
    parts = ("cosine_head",)

    def __init__(
        self,
        max_m: float = 0.5,
        sigma: float = 30.0,
        drw_beta: float = 0.9999,
        drw_start: float = 0.8,
    ):
        super().__init__()
        self.max_m = in_range("max_m", max_m, "[0, inf)")
        self.sigma = in_range("sigma", sigma, "(0, inf)")
        self.drw_beta = in_range("drw_beta", drw_beta, "[0, 1)")
        self.drw_start = in_range("drw_start", drw_start, "[0, 1]")

    def per_sample(self, logits: Tensor, target: Tensor, *, progress: float) -> Tensor:
        """Values (N,) for scores z (N, K) and class indices (N,)."""
        counts = self.class_counts.to(logits)
        margin = self.max_m * (counts.amin(0) / counts[target]) ** 0.25
        ahead = quantities.lead(logits, target) + margin[:, None]
        values = quantities.cross_entropy_of_rivals(self.sigma * ahead, target)
        if progress < self.drw_start or self.drw_beta == 0:
            return values
        weights = quantities.effective_number_weights(self.class_counts, self.drw_beta)
        return weights.to(logits)[target] * values
