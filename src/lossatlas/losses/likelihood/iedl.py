"""Evidence for each class, each class's error weighed by what its evidence would tell."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Iedl(LogitLoss):
    """Fisher-information evidential learning, I-EDL (Deng et al., 2023, arXiv:2303.02045).

    With alpha = softplus(s) + 1, S = sum alpha, m = alpha / S and psi' the trigamma function:
    sum_k psi'(alpha_k) ((y_k - m_k)^2 + m_k (1 - m_k) / (S + 1)) - fisher_c log det I(alpha), I the
    Fisher information of Dir(alpha); plus the divergence of Dir(alpha with alpha_y = 1) from the
    flat one, weighted by lambda_max min(1, epoch / anneal).
    """

    target = "class_index"

    def __init__(self, fisher_c: float = 0.05, lambda_max: float = 1.0, anneal: float = 10.0):
        super().__init__()
        self.fisher_c = in_range("fisher_c", fisher_c, "[0, inf)")
        self.lambda_max = in_range("lambda_max", lambda_max, "[0, inf)")
        self.anneal = in_range("anneal", anneal, "(0, inf)")

    def per_sample(self, logits: Tensor, target: Tensor, *, epoch: int) -> Tensor:
        """Values (N,) for logits (N, K), class indices (N,) and the epoch, from 0."""
        e_y = quantities.one_hot(target, logits.shape[1])
        alpha = F.softplus(logits.double()) + 1
        total = alpha.sum(1, keepdim=True)
        info, lag = _trigamma(alpha)
        m = alpha / total
        error = (e_y.to(m.dtype) - m).square() + m * (1 - m) / (total + 1)
        # 1 - sum_k psi'(S) / psi'(alpha_k), of which only (K - 1) / 2S would be left, by the lags.
        info_of_total, lag_of_total = _trigamma(total.squeeze(1))
        log_det = info.log().sum(1) + info_of_total.log() + (lag.sum(1) - lag_of_total).log()
        weight = self.lambda_max * min(1.0, epoch / self.anneal)
        divergence = quantities.dirichlet_divergence(alpha.masked_fill(e_y, 1))
        fit = (info * error).sum(1) - self.fisher_c * log_det
        return (fit + weight * divergence).to(logits.dtype)


def _trigamma(x: Tensor) -> tuple[Tensor, Tensor]:
    """psi'(x) and the lag x - 1 / psi'(x), which rises to 1/2; x at least 1, by series from 20."""
    near = torch.special.zeta(2.0, x.clamp(max=20))
    r = 1 / x
    s = r * r
    h = 0.5 + r * (1 / 6 - s * (1 / 30 - s * (1 / 42 - s * (1 / 30 - s * 5 / 66))))
    far = r * (1 + r * h)
    info = torch.where(x < 20, near, far)
    return info, torch.where(x < 20, x - 1 / near, h / (1 + r * h))
