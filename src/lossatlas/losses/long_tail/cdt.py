"""Cross-entropy with a temperature for each class, larger for rarer classes."""

from lossatlas.intervals import in_range
from lossatlas.losses.long_tail.vs_loss import VSLoss
from lossatlas.losses.registry import register


@register
class Cdt(VSLoss):
    """Class-dependent temperatures (Ye et al., 2020, arXiv:2001.01385): CE of s_k / a_k.

    a_k = (n_max / n_k)^gamma, n_k the training samples of class k: the vector-scaling loss, which
    is younger, without shifts. At test time the logits are used as they are.
    """

    def __init__(self, gamma: float = 0.2):
        super().__init__(in_range("gamma", gamma, "[0, inf)"), tau=0.0)
