"""Focal loss plus constraints on the mean of the predicted class number."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses.likelihood.focal import Focal
from lossatlas.losses.registry import register


@register
class MaxentLoss(Focal):
    """MaxEnt loss, mean form (Neo et al., 2024, arXiv:2310.17159).

    focal + lam m_y (|mu - mu_0| + |mu - y|), mu = sum_k k p_k over classes 0 to K - 1, mu_0 the
    mean of the training labels. m_y solves sum_k k exp(-1 - m_y k) = (mu_0 + y) / 2.
    """

    class_counts: Tensor

    def __init__(self, gamma: float = 1.0, lam: float = 1.0):
        super().__init__(gamma)
        self.lam = in_range("lam", lam, "[0, inf)")

    def setup(self, *, class_counts: Tensor) -> None:
        """Takes the training samples of each class, (K,) float64."""
        self.register_buffer("class_counts", class_counts)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        numbers = torch.arange(logits.shape[1], device=logits.device).to(self.class_counts)
        average = (numbers * self.class_counts).sum() / self.class_counts.sum()
        m = _multipliers((average + numbers) / 2).to(logits)
        p = torch.softmax(logits, 1)
        to_average = (p * (numbers - average).to(logits)).sum(1).abs()
        to_label = (p * (numbers - target[:, None]).to(logits)).sum(1).abs()
        penalty = m[target] * (to_average + to_label)
        return super().per_sample(logits, target) + self.lam * penalty


def _multipliers(means: Tensor) -> Tensor:
    """Solutions m (K,) of log sum_k k exp(-1 - m k) = log means_k, by Newton's method from 0.

    The left side is convex and falls in m, with slopes between -1 and 1 - K, so that all steps
    after the first go the same way.
    """
    k = torch.arange(1, len(means)).to(means)
    m = torch.zeros_like(means)
    for _ in range(50):
        terms = k.log() - 1 - m[:, None] * k
        slope = (torch.softmax(terms, 1) * k).sum(1)
        m = m + (torch.logsumexp(terms, 1) - means.log()) / slope
    return m
