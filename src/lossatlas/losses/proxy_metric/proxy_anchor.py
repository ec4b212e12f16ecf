"""Proxy-Anchor: each class's proxy is compared with all samples of the batch at once."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import EmbeddingLoss
from lossatlas.losses.registry import register


@register
class ProxyAnchor(EmbeddingLoss):
    """Proxy-Anchor (Kim et al., CVPR 2020, arXiv:2003.13911), eq. 4.

    log(1 + sum over the class's samples of e^(-scale (s - margin))), in the mean over the proxies
    with samples in the batch, plus log(1 + sum over all other samples of e^(scale (s + margin))),
    in the mean over all proxies; s is the cosine of sample and proxy. The proxies (K, D) are
    learned, with 100 times the network's rate. A zero vector has cosine 0 with every other.
    """

    target = "labelled_embedding"
    views = 1
    per = "batch"
    min_batch = 1
    lr_factor = 100.0
    proxies: nn.Parameter

    def __init__(self, scale: float = 32.0, margin: float = 0.1):
        super().__init__()
        self.scale = in_range("scale", scale, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")

    def setup(self, *, num_classes: int, feature_dim: int) -> None:
        """Draw a proxy a class, (num_classes, feature_dim), as the official code does."""
        self.proxies = nn.Parameter(torch.empty(num_classes, feature_dim))
        nn.init.kaiming_normal_(self.proxies, mode="fan_out")

    def per_sample(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The value () of the batch, for embeddings (1, N, D) and labels (N,) int64."""
        cosines = quantities.unit(embeddings[0]) @ quantities.unit(self.proxies.to(embeddings)).T
        own = quantities.one_hot(labels, len(self.proxies))
        here = own.any(0)  # proxies with samples in the batch
        pull = _log_one_plus_sum(-self.scale * (cosines - self.margin), own)
        push = _log_one_plus_sum(self.scale * (cosines + self.margin), ~own)
        return pull.sum() / here.sum() + push.mean()


def _log_one_plus_sum(scores: Tensor, of: Tensor) -> Tensor:
    """log(1 + sum of e^score over the samples `of` each proxy), (C,); 0 where there is none."""
    chosen = F.pad(scores.masked_fill(~of, float("-inf")), (0, 0, 0, 1))
    return chosen.logsumexp(0)
