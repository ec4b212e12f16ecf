"""A Fenchel-Young loss of strongly convex Omega: regret >= |prediction - q|^2 / 2."""

import torch

from lossatlas.theory import agreement, design
from lossatlas.theory.proof import HAND, theorem
from lossatlas.theory.subject import Subject
from lossatlas.theory.theorems.fenchel_young import fenchel_young


@theorem(HAND, "classification_calibrated")
def smooth_fenchel_young(subject: Subject) -> float:
    """How far a Fenchel-Young loss is from a co-coercive prediction in the order of the scores.

    (f(s) - f(t)) . (s - t) >= |f(s) - f(t)|^2 for f = grad Omega* says that Omega* is convex and f
    1-Lipschitz (Baillon & Haddad), so Omega 1-strongly convex, and R - R* >= |f(s) - q|^2 / 2. If
    s_j >= s_b then f_j >= f_b, so the right side is at least (q_b - q_j)^2 / 4.
    """
    logits = torch.cat([design.points(subject.k)[0][::20], agreement.points(subject.k)])
    other = logits.roll(1, 0) * 0.3 + logits * 0.7  # near and far pairs
    zeros = torch.zeros(len(logits), dtype=torch.int64)
    f = subject.gradient(logits, zeros)
    change = f - subject.gradient(other, zeros)
    size = 1 + logits.abs().amax(1) + other.abs().amax(1)
    short = (change.square().sum(1) - (change * (logits - other)).sum(1)) / size
    f[:, 0] += 1
    falls = -f.gather(1, logits.argsort(1)).diff(dim=1)
    worst = max(short.max().item(), falls.max().item(), 0.0)
    return max(worst, fenchel_young.test(subject))
