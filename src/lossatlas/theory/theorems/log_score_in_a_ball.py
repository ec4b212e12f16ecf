"""Cross-entropy of scores in a ball: exchanging two classes shows it calibrated."""

import torch
from torch import Tensor

from lossatlas.theory.features import fit, log_score
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem(HAND, "classification_calibrated")
def log_score_in_a_ball(subject: Subject) -> float:
    """How far l(s, y) is from CE(c s / (|s| + e), y), c > 0: cross-entropy on an open ball.

    On the closed ball the risk is least somewhere in the closed set where a class j is on top. If
    s_j > s_b for a class with q_b > q_j, swapping the two lowers the risk; if s_j = s_b, so does a
    rotation from j to b, which keeps the length to first order, or a small step where both vanish.
    """
    s = torch.zeros(2, subject.k, dtype=torch.float64)
    s[:, 0] = torch.tensor([1e6, 1e-7], dtype=s.dtype)
    table = subject.table(s)
    far, near = (table[:, 1] - table[:, 0]).tolist()
    if not (0 < near <= far < 1e6):
        return NEVER
    e = 1e-7 * (far / near - 1)
    c = far * (1 + e / 1e6)

    def inside(s: Tensor) -> Tensor:
        return c * s / (s.norm(dim=1, keepdim=True) + e)

    (a,), residual = fit(subject, lambda s: log_score(inside(s)))
    return residual if a > 0 and (subject.prior == 1).all() else NEVER
