"""Conditional risks as evidence: posteriors to try, terms of witnesses, points that can be read."""

from typing import Any

import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Term, of_distances

# Without a majority, with near ties, with a majority, with a class that hardly occurs.
MADE = (
    (0.45, 0.35, 0.10, 0.10), (0.40, 0.30, 0.20, 0.10), (0.28, 0.26, 0.24, 0.22),
    (0.34, 0.31, 0.30, 0.05), (0.49, 0.46, 0.03, 0.02), (0.60, 0.20, 0.15, 0.05),
    (0.90, 0.05, 0.03, 0.02), (0.10, 0.20, 0.30, 0.40), (0.05, 0.28, 0.32, 0.35),
    (0.51, 0.48799, 0.002, 0.00001),
)  # fmt: skip
GAP = 0.02  # the likeliest class leads by that much, so that a wrong choice costs something


def decisions(subject: Subject, n: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    """Label probabilities q (n, k), what they mean to the Bayes rule (n, k), its choices (n,).

    The rule takes the class of largest probability, or (balanced) of largest probability over
    prior; the middle tensor holds these ratios, normalised. The best class is unique. Two classes
    are tried at a probability from 0.01 to 0.99.
    """
    k = subject.k
    if k == 2:
        p = torch.linspace(0.51, 0.99, n // 2, dtype=torch.float64)
        rows = torch.cat([torch.stack([p, 1 - p], 1), torch.stack([1 - p, p], 1)])
    else:
        g = design.generator()
        scores = torch.randn(8 * n, k, generator=g, dtype=torch.float64)
        scores *= torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64).repeat(8 * n)[: 8 * n, None]
        rows = torch.softmax(scores, 1).round(decimals=2).clamp(min=0.01)
        if k == 4:
            rows = torch.cat([torch.tensor(MADE, dtype=torch.float64), rows])
    q = weighted(subject, rows).round(decimals=5).clamp(min=1e-5)
    meant = (q / subject.prior) / (q / subject.prior).sum(1, keepdim=True)
    top = meant.topk(2).values
    clear = (top[:, 0] - top[:, 1] > 0.99 * GAP).nonzero().squeeze(1)[:n]
    return q[clear], meant[clear], meant[clear].argmax(1)


def weighted(subject: Subject, meant: Tensor) -> Tensor:
    """Label probabilities (N, k) that the Bayes rule reads as `meant` (N, k): times the prior."""
    q = meant * subject.prior
    return q / q.sum(1, keepdim=True)


def risk_terms(weight: float, q: Tensor, s: Tensor) -> list[Term]:
    """`weight` times the conditional risk at scores s (k,) under label weights q (k,)."""
    return [Term(weight * p, s.tolist(), label) for label, p in enumerate(q.tolist()) if p > 0]


def readable(subject: Subject, q: Tensor, s: Tensor, slack: float) -> Tensor:
    """The minimiser s (k,) with as few decimals as change its risk by no more than `slack`.

    A constrained minimiser may not lose risk either: it would have left its constraint. Of a loss
    of distances all scores are lowered alike, if that changes the risk no more: which of many
    minimisers was found hangs on rounding, and none above 0 counts.
    """
    least = subject.risk(s[None], q[None]).item()
    if of_distances(subject) and s.max() > 0:
        lowered = s - s.max()
        if abs(subject.risk(lowered[None], q[None]).item() - least) <= slack:
            s = lowered
    for decimals in range(12):
        rounded = s.round(decimals=decimals)
        if abs(subject.risk(rounded[None], q[None]).item() - least) <= slack:
            return rounded
    return s


def plain(values: Any) -> Any:
    """Measured numbers, nested lists for a tensor, with the six digits that are worth printing."""
    if isinstance(values, Tensor):
        values = values.tolist()
    if isinstance(values, list):
        return [plain(value) for value in values]
    return float(f"{values:.6g}")
