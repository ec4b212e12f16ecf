"""Cross-entropy, and a penalty where confidences are not in the order of past correctness."""

import torch
from torch import Tensor

from lossatlas.intervals import in_range
from lossatlas.losses import quantities
from lossatlas.losses.base import LogitLoss
from lossatlas.losses.registry import register


@register
class Crl(LogitLoss):
    """Correctness ranking loss (Moon et al., ICML 2020, arXiv:2007.01458), eq. 3 over a batch.

    Mean cross-entropy + lam times the mean of max(0, |c_i - c_j| - g (r_i - r_j)), j the next
    sample of the batch, in a circle, and g the sign of c_i - c_j. r is the largest probability; c,
    a memory of each training sample, the share of its visits at which it was right, moved after
    use.
    """

    target = "class_index"
    per = "batch"
    right: Tensor
    visits: Tensor

    def __init__(self, lam: float = 1.0):
        super().__init__()
        self.lam = in_range("lam", lam, "[0, inf)")

    def setup(self, *, num_samples: int) -> None:
        """Makes the memories, (num_samples,) each: how often seen, and how often right."""
        self.register_buffer("right", torch.zeros(num_samples))
        self.register_buffer("visits", torch.zeros(num_samples))

    def per_sample(self, logits: Tensor, target: Tensor, *, indices: Tensor) -> Tensor:
        """The value () of the batch, for logits (N, K), class indices and samples' numbers (N,)."""
        log_p = torch.log_softmax(logits, 1)
        guess = logits.argmax(1)
        c = (self.right[indices] / self.visits[indices].clamp(min=1)).to(logits)
        r = quantities.of_label(log_p, guess).exp()
        ahead, lead = c - c.roll(-1), r - r.roll(-1)
        if self.training:
            with torch.no_grad():
                self.right[indices] += (guess == target).to(self.right)
                self.visits[indices] += 1
        disorder = (ahead.abs() - ahead.sign() * lead).relu()
        return self.lam * disorder.mean() - quantities.of_label(log_p, target).mean()
