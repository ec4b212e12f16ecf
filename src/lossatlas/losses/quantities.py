"""Quantities of logits that cards, losses and evaluation share: margin, log-sum-exp, softmax.

Logits, and what else has a column a class, are (N, K); a `target` is class indices (N,) int64
unless it is said otherwise. The label's own entry is read and written by index: on a CPU a mask of
one entry a row costs three to six times as much.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LOWEST = float("-inf")  # of a score that no maximum and no sum of exponentials sees


def margin(logits: Tensor, target: Tensor) -> Tensor:
    """Margin (N,) of logits (N, K): best score inside the target minus best score outside.

    `target` is class indices (N,) int64, giving s_y - max_{j != y} s_j (Crammer & Singer, 2001),
    or label sets (N, K) bool, giving max over K+ minus max over its complement.
    """
    if target.ndim == 1:
        return of_label(logits, target) - with_label(logits, target, LOWEST).amax(1)
    return among(logits, target).amax(1) - among(logits, ~target).amax(1)


def rivals(logits: Tensor, target: Tensor, k: int) -> Tensor:
    """The k largest scores of wrong classes (N, k), falling; all K - 1 of them for k >= K.

    `logits` are (N, K), `target` class indices (N,).
    """
    wrong = with_label(logits, target, LOWEST)
    return wrong.topk(min(k, logits.shape[1] - 1), dim=1).values


def one_hot(target: Tensor, num_classes: int) -> Tensor:
    """Class indices (N,) as a bool matrix (N, num_classes)."""
    none = torch.zeros(len(target), num_classes, dtype=torch.bool, device=target.device)
    return with_label(none, target, True)


def of_label(x: Tensor, target: Tensor) -> Tensor:
    """The label's entry of each row of x (N, K): (N,)."""
    return x.gather(1, target[:, None]).squeeze(1)


def with_label(x: Tensor, target: Tensor, value: float) -> Tensor:
    """x (N, K) with `value` for the label's entry of each row, (N, K)."""
    return x.scatter(1, target[:, None], value)


def among(logits: Tensor, inside: Tensor) -> Tensor:
    """Logits (N, K) of the classes of sets, (N, K) bool; minus infinity for those outside."""
    return logits.masked_fill(~inside, LOWEST)


def lead(logits: Tensor, target: Tensor) -> Tensor:
    """How far each score lies above the label's, s_k - s_y, (N, K).

    What is added to it, or multiplies it, is not rounded away beside a large score of the label.
    """
    return logits - logits.gather(1, target[:, None])


def confidence_gap(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence r = max_k p_k and c - r, both (N,); c is 1 if that class is the target's, else 0.

    c has no gradient. 1 - r stays exact where r rounds to one.
    """
    guess = logits.argmax(1)  # not of the log-softmax, where rounding makes ties
    log_r = of_label(torch.log_softmax(logits, 1), guess)
    r = log_r.exp()
    return r, torch.where(guess == target, -torch.expm1(log_r), -r)


def log_ratios(class_counts: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    """log(n_k / n_y), (N, K), of class counts n (K,), in the precision of the logits (N, K).

    Added to a lead, for beside a large score the logarithm of a count would be rounded away.
    """
    logs = class_counts.log()
    return (logs - logs[:, None]).to(logits)[target]  # a row a class, then a row a sample


def effective_number_weights(class_counts: Tensor, beta: float) -> Tensor:
    """Weights (K,) in proportion to (1 - beta) / (1 - beta^n_k), of sum K (Cui et al., 2019).

    `class_counts` n are (K,) float64, beta is in [0, 1); beta = 0 gives ones.
    """
    if beta == 0:
        return torch.ones_like(class_counts)
    rarity = -1 / torch.expm1(math.log(beta) * class_counts)
    return len(rarity) * rarity / rarity.sum()


def unit(x: Tensor) -> Tensor:
    """Vectors along the last dimension at length one; a zero vector stays one, with slope 1."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / torch.where(norm > 0, norm, 1.0)


def root(square: Tensor) -> Tensor:
    """The square root, with slope 0 where `square` is 0, or less by rounding."""
    return torch.where(square > 0, square, 1.0).sqrt() * (square > 0)


def logsumexp(logits: Tensor) -> Tensor:
    """log sum_k exp(s_k), (N,)."""
    return torch.logsumexp(logits, dim=1)


def softmax(logits: Tensor) -> Tensor:
    """Class probabilities (N, K)."""
    return torch.softmax(logits, dim=1)


def cross_entropy_of_rivals(ahead: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy log(1 + sum_{j != y} exp(a_j)), (N,), of scores a (N, K) above the label's.

    The label's own entry is not looked at. So written, neither a margin nor a small loss is rounded
    away beside a large score.
    """
    return F.cross_entropy(with_label(ahead, target, 0.0), target, reduction="none")


def log_miss(log_p: Tensor) -> Tensor:
    """log(1 - p_k), (N, K), of log-probabilities (N, K), also where p_k rounds to one."""
    # Of the largest p by the sum of the others; all others are at most 1/2.
    top = log_p.argmax(1, keepdim=True)
    others = torch.logsumexp(log_p.scatter(1, top, LOWEST), 1, keepdim=True)
    return torch.log1p(-log_p.exp().scatter(1, top, 0)).scatter(1, top, others)


def rest(logits: Tensor, target: Tensor) -> Tensor:
    """1 - p_y, (N,): the mass of the other classes, summed, which stays exact as p_y nears one."""
    return with_label(torch.softmax(logits, 1), target, 0).sum(1)


def log_odds(logits: Tensor, target: Tensor) -> Tensor:
    """log P / (1 - P), (N,), of the mass P that the softmax gives to the target.

    `target` is class indices (N,) or sets (N, K) bool. logsigmoid(log_odds) is log P,
    logsigmoid(-log_odds) is log(1 - P), and both stay exact where P rounds to 0 or 1.
    """
    # A log-sum-exp is the largest score plus a cross-entropy to its class: so written no large
    # score spoils the difference, and minus infinities cost no more than other scores.
    sets = target.ndim == 2
    inside = among(logits, target) if sets else logits
    others = among(logits, ~target) if sets else with_label(logits, target, LOWEST)
    label, best = inside.argmax(1) if sets else target, others.argmax(1)
    pair = logits.gather(1, torch.stack([label, best], 1))
    odds = pair[:, 0] - pair[:, 1] - F.cross_entropy(others, best, reduction="none")
    return odds + F.cross_entropy(inside, label, reduction="none") if sets else odds


def log_softmax_of_rest(logits: Tensor, target: Tensor) -> Tensor:
    """log(p_j / (1 - p_y)), (N, K), the softmax of the other classes alone; 0 at y itself."""
    others = torch.log_softmax(with_label(logits, target, LOWEST), 1)
    return with_label(others, target, 0)


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
