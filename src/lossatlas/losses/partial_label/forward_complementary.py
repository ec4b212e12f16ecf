"""Cross-entropy of the probabilities that the wrong classes as told would have."""

from lossatlas.losses.noise_robust.forward_correction import ForwardCorrection
from lossatlas.losses.registry import register


@register
class ForwardComplementary(ForwardCorrection):
    """Forward correction for complementary labels (Yu et al., ECCV 2018, arXiv:1711.09535).

    -log sum_k Q_kc p_k for a wrong class c. Q_kc is the probability that c is told of a sample of
    class k; its diagonal is 0.
    """

    target = "complementary"
