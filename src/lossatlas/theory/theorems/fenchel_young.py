"""A Fenchel-Young loss (here of a Tsallis entropy) is a conjugate minus a linear function."""

import torch
from torch import Tensor

from lossatlas.theory import agreement
from lossatlas.theory.proof import theorem
from lossatlas.theory.subject import Subject

ENTROPIES = (1.0, 1.5, 2.0)


@theorem("Blondel, Martins & Niculae, JMLR 2020, proposition 2", "convex_in_logits")
def fenchel_young(subject: Subject) -> float:
    """How far l(s, y) is from Omega*(s) - s_y + const with a Tsallis entropy Omega, relative.

    Omega(p) = (sum p^a - 1) / (a (a - 1)) on the simplex, for the best of a = 1 (sum p log p), 1.5
    and 2. Tested: l(s, y) + s_y is the same for all y; the prediction e_y + grad l solves the
    optimality conditions of max_p <s, p> - Omega(p), whose solution is unique; the value is that
    maximum. It is not enough that the prediction lies in the simplex, of which also losses that
    are not convex can boast.
    """
    logits = agreement.points(subject.k)
    labels = torch.arange(len(logits)) % subject.k
    scale = 1 + logits.abs().amax(1)
    conjugate = subject.table(logits).detach() + logits
    spread = ((conjugate.amax(1) - conjugate.amin(1)) / scale).max().item()
    p = subject.gradient(logits, labels)
    p[torch.arange(len(labels)), labels] += 1
    return max(spread, min(_tsallis(a, logits, p, conjugate[:, 0], scale) for a in ENTROPIES))


def _tsallis(a: float, s: Tensor, p: Tensor, conjugate: Tensor, scale: Tensor) -> float:
    """Residual of p (N, k) as argmax, and of `conjugate` (N,) as max, of <s, p> - Omega(p)."""
    p = p.clamp(min=0)
    if a == 1:
        best, entropy = torch.softmax(s, 1), torch.xlogy(p, p).sum(1)
    else:
        threshold = (p * (s - p ** (a - 1) / (a - 1))).sum(1, keepdim=True)
        best = ((a - 1) * (s - threshold)).clamp(min=0) ** (1 / (a - 1))
        entropy = ((p**a).sum(1) - 1) / (a * (a - 1))
    wrong = (best - p).abs().amax(1) + (p.sum(1) - 1).abs()
    constant = conjugate - (s * p).sum(1) + entropy
    return max(wrong.max().item(), ((constant - constant[0]).abs() / scale).max().item())
