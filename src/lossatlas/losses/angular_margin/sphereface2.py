"""One binary problem a class on the sphere, instead of one softmax."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class SphereFace2(LogitLoss):
    """SphereFace2, variant C (Wen et al., ICLR 2022, arXiv:2108.01513), eq. 5.

    lw / scale [lam log(1 + e^(-(scale (g_y - margin) + b))) + (1 - lam) sum_{j != y} log(1 +
    e^(scale (g_j + margin) + b))] with g = 2 ((cos theta + 1) / 2)^t - 1 and a learned bias b,
    which starts where the loss is least at cosines of 0. As in the authors' code the gradient in
    the cosines passes g as if it were the cosine itself.
    """

    target = "class_index"
    parts = ("cosine_head",)
    owns = ("bias",)
    gradient = "g(cos theta) - cos theta, what g adds to the cosine"
    bias: nn.Parameter

    def __init__(
        self,
        lam: float = 0.7,
        scale: float = 40.0,
        margin: float = 0.4,
        t: float = 3.0,
        lw: float = 50.0,
    ):
        super().__init__()
        self.lam = in_range("lam", lam, "(0, 1)")
        self.scale = in_range("scale", scale, "(0, inf)")
        self.margin = in_range("margin", margin, "[0, inf)")
        self.t = in_range("t", t, "[1, inf)")
        self.lw = in_range("lw", lw, "(0, inf)")

    def setup(self, *, num_classes: int) -> None:
        """Makes the bias, a scalar."""
        self.bias = nn.Parameter(torch.tensor(self._start(num_classes)))

    def _start(self, num_classes: int) -> float:
        """The b at which the slope of the loss in b is zero, all cosines being 0."""
        rival = self.scale * (2 * 0.5**self.t - 1 + self.margin)
        # x = e^(b + rival) solves e^(-2 scale margin) x^2 + (1 - z) x - z = 0.
        z = self.lam / ((1 - self.lam) * (num_classes - 1))
        small = max(-self.scale * self.margin, -700)  # of which the exponential is above zero
        root = math.hypot(1 - z, 2 * math.sqrt(z) * math.exp(small))
        if z < 1:
            return math.log(2 * z / (1 - z + root)) - rival
        return math.log((root + z - 1) / 2) - 2 * small - rival

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """Values (N,) for cosines (N, K) and class indices (N,)."""
        cosines = logits.clamp(-1, 1)
        g = 2 * ((cosines.detach() + 1) / 2) ** self.t - 1
        passed = cosines + (g - cosines.detach())
        bias = self.bias.to(logits)
        own = quantities.of_label(passed, target)
        pull = F.logsigmoid(self.scale * (own - self.margin) + bias)
        push = F.logsigmoid(-(self.scale * (passed + self.margin) + bias))
        push = quantities.with_label(push, target, 0).sum(1)
        return self.lw / self.scale * (-self.lam * pull - (1 - self.lam) * push)
