"""The losses of alpha-entmax, from cross-entropy through sparsemax on; their conjugate."""

import math

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.fenchel_young import sparsemax_loss
from lossatlas.losses.registry import register


@register
class EntmaxLoss(LogitLoss):
    """alpha-entmax loss (Peters, Niculae & Martins, 2019, arXiv:1905.05702).

    (1 - sum_k p_k^alpha) / (alpha (alpha - 1)) + <p, s> - s_y, with p = alpha-entmax(s), that is
    p_k = max(0, (alpha - 1) s_k - tau)^(1 / (alpha - 1)). alpha = 1 is the limit, cross-entropy.
    The gradient is p - e_y.
    """

    target = "class_index"

    def __init__(self, alpha: float = 1.5):
        super().__init__()
        self.alpha = in_range("alpha", alpha, "[1, 4]")

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for logits (N, K) and class indices (N,)."""
        s = logits - logits.amax(1, keepdim=True)
        return conjugate(s, self.alpha) - quantities.of_label(s, target)


def conjugate(s: Tensor, alpha: float, reference: Tensor | None = None) -> Tensor:
    """max_p <s, p> - D(p) over the simplex, (N,), of scores s (N, K); its gradient is that p.

    D(p) = sum_k pi_k f(p_k / pi_k) with f(u) = (u^alpha - 1 - alpha (u - 1)) / (alpha (alpha - 1))
    and `reference` pi (K,) > 0. Without one pi = 1, and D is without its constant (K - 1) / alpha:
    the Tsallis negentropy (sum_k p_k^alpha - 1) / (alpha (alpha - 1)); the largest score of a row
    must then be 0. For alpha of 1 to 4.
    """
    pi = torch.ones_like(s[0]) if reference is None else reference.to(s)
    constant = 1.0 if reference is None else pi.sum()
    if alpha == 1:
        weighed = s if reference is None else s + pi.log()
        return torch.logsumexp(weighed, 1) + 1 - constant
    # In its dual form, min over t of t + sum_k pi_k (u_k^alpha - 1) / alpha, with p = pi u and
    # u = max(0, 1 + (alpha - 1)(s - t))^(1 / (alpha - 1)). There the slope in t is 1 - sum p = 0,
    # so that neither rounding of t nor its own dependence on s touches the gradient. The second
    # derivative sees that dependence.
    x = s.detach()
    if alpha == 1.5 and reference is None:
        t = 2 + 2 * sparsemax_loss.threshold(x / 2, power=2)
    elif alpha == 2 and reference is None:
        t = 1 + sparsemax_loss.threshold(x)
    else:
        t = _threshold(x, alpha, pi)
    t = _moving(t, s, alpha, pi)
    return t.squeeze(1) + ((pi * _power(s - t, alpha, alpha)).sum(1) - constant) / alpha


def _threshold(s: Tensor, alpha: float, pi: Tensor) -> Tensor:
    """The t (N, 1) at which p sums to one, by bisection."""
    # At `low` one class alone has p = 1; at `high` none has more than 1 / K.
    low = (s - _slope(1 / pi, alpha)).amax(1, keepdim=True)
    high = (s - _slope(1 / (len(pi) * pi), alpha)).amax(1, keepdim=True)
    for _ in range(3 - math.frexp(torch.finfo(s.dtype).eps)[1]):
        middle = (low + high) / 2
        above = (pi * _power(s - middle, alpha, 1.0)).sum(1, keepdim=True) > 1
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low + high) / 2


def _moving(t: Tensor, s: Tensor, alpha: float, pi: Tensor) -> Tensor:
    """The threshold t (N, 1) with its slope in s, dt / ds_k = w_k / sum_j w_j where w = dp / ds."""
    w = pi * _power(s.detach() - t, alpha, 2 - alpha)
    move = torch.where(w > 0, s - s.detach(), 0.0)  # no -inf - -inf
    return t + (w * move).sum(1, keepdim=True) / w.sum(1, keepdim=True)


def _slope(u: Tensor, alpha: float) -> Tensor:
    """f'(u) = (u^(alpha - 1) - 1) / (alpha - 1)."""
    return torch.expm1((alpha - 1) * u.log()) / (alpha - 1)


def _power(x: Tensor, alpha: float, exponent: float) -> Tensor:
    """u^exponent where f'(u) = x, and 0 where x lies below f'(0)."""
    inside = x > -1 / (alpha - 1)
    # Outside, 0 in place of x: the logarithm of nothing has no gradient.
    log_u = torch.log1p((alpha - 1) * torch.where(inside, x, 0.0)) / (alpha - 1)
    return torch.where(inside, (exponent * log_u).exp(), 0.0)
