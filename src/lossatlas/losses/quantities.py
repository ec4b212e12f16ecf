"""Quantities of logits that cards, losses and evaluation share: margin, log-sum-exp, softmax."""

import math

import torch
from torch import Tensor


def margin(logits: Tensor, target: Tensor) -> Tensor:
    """Margin (N,) of logits (N, K): best score inside the target minus best score outside.

    `target` is class indices (N,) int64, giving s_y - max_{j != y} s_j (Crammer & Singer, 2001),
    or label sets (N, K) bool, giving max over K+ minus max over its complement.
    """
    inside = target if target.ndim == 2 else one_hot(target, logits.shape[1])
    lowest = float("-inf")
    best_inside = logits.masked_fill(~inside, lowest).amax(1)
    return best_inside - logits.masked_fill(inside, lowest).amax(1)


def rivals(logits: Tensor, target: Tensor, k: int) -> Tensor:
    """The k largest scores of wrong classes (N, k), falling; all K - 1 of them for k >= K.

    `logits` are (N, K), `target` class indices (N,).
    """
    num_classes = logits.shape[1]
    wrong = logits.masked_fill(one_hot(target, num_classes), float("-inf"))
    return wrong.topk(min(k, num_classes - 1), dim=1).values


def one_hot(target: Tensor, num_classes: int) -> Tensor:
    """Class indices (N,) as a bool matrix (N, num_classes)."""
    return target[:, None] == torch.arange(num_classes, device=target.device)


def confidence_gap(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence r = max_k p_k and c - r, both (N,); c is 1 if that class is the target's, else 0.

    c has no gradient. 1 - r stays exact where r rounds to one.
    """
    log_r, guess = torch.log_softmax(logits, 1).max(1)
    r = log_r.exp()
    return r, torch.where(guess == target, -torch.expm1(log_r), -r)


def effective_number_weights(class_counts: Tensor, beta: float) -> Tensor:
    """Weights (K,) in proportion to (1 - beta) / (1 - beta^n_k), of sum K (Cui et al., 2019).

    `class_counts` n are (K,) float64, beta is in [0, 1); beta = 0 gives ones.
    """
    if beta == 0:
        return torch.ones_like(class_counts)
    rarity = -1 / torch.expm1(math.log(beta) * class_counts)
    return len(rarity) * rarity / rarity.sum()


def root(square: Tensor) -> Tensor:
    """The square root, with slope 0 where `square` is 0, or less by rounding."""
    return torch.where(square > 0, square, 1.0).sqrt() * (square > 0)


def logsumexp(logits: Tensor) -> Tensor:
    """log sum_k exp(s_k), (N,)."""
    return torch.logsumexp(logits, dim=1)


def softmax(logits: Tensor) -> Tensor:
    """Class probabilities (N, K)."""
    return torch.softmax(logits, dim=1)


def log_rest(log_p: Tensor, target: Tensor) -> Tensor:
    """log(1 - p_y), (N,), of log-probabilities (N, K): the mass of the other classes, summed.

    It stays exact, and its gradient finite, when p_y rounds to one.
    """
    return torch.logsumexp(log_p.scatter(1, target[:, None], float("-inf")), 1)


def log_odds(logits: Tensor, inside: Tensor) -> Tensor:
    """log P / (1 - P), (N,), of the mass P that the softmax gives to a set, (N, K) bool.

    A difference of two log-sum-exps: -logsigmoid(log_odds) is -log P, sigmoid(-log_odds) is 1 - P,
    and both stay exact where P rounds to 0 or 1.
    """
    lowest = float("-inf")
    within = torch.logsumexp(logits.masked_fill(~inside, lowest), 1)
    return within - torch.logsumexp(logits.masked_fill(inside, lowest), 1)


def log_softmax_of_rest(logits: Tensor, target: Tensor) -> Tensor:
    """log(p_j / (1 - p_y)), (N, K), the softmax of the other classes alone; 0 at y itself."""
    label = one_hot(target, logits.shape[1])
    rest = torch.log_softmax(logits.masked_fill(label, float("-inf")), 1)
    return rest.masked_fill(label, 0)


def dirichlet_divergence(alpha: Tensor, prior: float = 1.0) -> Tensor:
    """KL(Dir(alpha) || Dir(prior, ..., prior)), (N,), of alpha (N, K), float64.

    The large parts of the gamma functions cancel on paper.
    """
    k, total = alpha.shape[1], alpha.sum(1)
    slack = _slack(total) - _slack(alpha).sum(1)
    tilt = (k * prior - 1) * torch.digamma(total)
    if prior != 1:
        tilt = tilt + (1 - prior) * torch.digamma(alpha).sum(1)
    return slack + tilt - (math.lgamma(k * prior) - k * math.lgamma(prior))


def _slack(x: Tensor) -> Tensor:
    """lgamma(x) - (x - 1) psi(x) + x, without the large parts that cancel; by Stirling from 20 on.

    The x that is added drops out of the divergence, as the total is the sum of the alphas.
    """
    direct = torch.lgamma(x) - (x - 1) * torch.digamma(x) + x
    r = 1 / x
    s = r * r
    of_lgamma = r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188))))
    of_psi = s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s / 132))))
    far = x.log() / 2 + math.log(2 * math.pi) / 2 + (1 - r) / 2 + of_lgamma + (x - 1) * of_psi
    return torch.where(x < 20, direct, far)
