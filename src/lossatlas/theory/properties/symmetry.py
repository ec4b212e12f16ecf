"""Symmetry and asymmetry: conditions under which label noise does not move the minimum."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.checks import check
from lossatlas.theory.minimise import BOX, Minima, minimise, scale
from lossatlas.theory.proof import prove, unrefuted
from lossatlas.theory.risks import decisions, plain, readable
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding, Term, indicate, refute

CONSTANT = 1e-9  # relative to the sum, or to the loss's scale if that is larger
EXCESS = 1e-6  # of the heaviest label's loss over its infimum, in units of the loss's scale
STEP = 0.03  # of the noise rates that are tried
MORE = 32  # starts of a search that a verdict hangs on


@check("logits", "Ghosh, Kumar & Sastry, AAAI 2017, equation 4", reach=100)
def symmetric_sum_constant(subject: Subject) -> Finding:
    """The losses of all labels have one sum: sum_k l(s, k) = C for all scores s.

    Then R_noisy = (1 - eta K / (K - 1)) R + const for uniform label noise, and minimisers are the
    same for eta < (K - 1) / K. Otherwise the risk that noise costs is at most
    eta (C_max - C_min) / (K - 1 - eta K), which follows from the same identity.
    Method: range of the sum at random, tied and marginal scores.
    """
    logits, _ = design.points(subject.k)
    logits = logits[::5]
    sums = subject.table(logits).detach().sum(1)
    finite = sums.isfinite()
    logits, sums = logits[finite], sums[finite]
    low, high = sums.min().item(), sums.max().item()
    worst = (high - low) / max(abs(low), abs(high), scale(subject))
    constant = worst <= CONSTANT
    found = {"sum": plain(sums[0])} if constant else {"least": plain(low), "largest": plain(high)}
    facts: dict[str, Any] = {
        "found": found, "worst": worst, "tolerance": CONSTANT, "n": len(sums),
    }  # fmt: skip
    method = "range of the sum over labels at random, tied and marginal scores"
    if constant:
        return unrefuted(subject, "symmetric_sum_constant", method, **facts)

    def terms(s: Tensor, t: Tensor) -> list[Term]:
        more = [Term(1.0, s.tolist(), label) for label in range(subject.k)]
        return more + [Term(-1.0, t.tolist(), label) for label in range(subject.k)]

    says = "the losses of all labels have a larger sum at some scores than at others"
    at = logits[int(sums.argmax())], logits[int(sums.argmin())]
    return refute(subject, says, terms, *at, method=method, **facts)


@check("logits", "Zhou et al., ICML 2021, arXiv:2106.03110, definition 2", reach=30)
def asymmetric(subject: Subject) -> Finding:
    """The heaviest label wins: minimisers of sum_k w_k l(s, k) minimise l(s, t) if w_t is largest.

    That is complete asymmetry, for all weights; noise of rate eta makes weights of which one is
    1 - eta. Infima at infinity count as attained if the loss of label t tends to its infimum.
    Method: minimisers by BFGS for 12 posteriors, and for the weights that noise in label 0 makes,
    spread over the other labels or all on label 1; the loss of label t there, minus its infimum.
    Minima at infinity are pursued in boxes up to 1000 times the size; only finite ones speak.
    """
    k, unit = subject.k, scale(subject)
    q = decisions(subject, 12)[0]
    uniform = torch.arange(STEP, (k - 1) / k, STEP, dtype=torch.float64)
    paired = torch.arange(STEP, 0.5, STEP, dtype=torch.float64)
    w = torch.cat([q, _uniform(uniform, k), _paired(paired, k)])
    n, label = len(w), w.argmax(1)
    best = minimise(subject, torch.cat([w, torch.eye(k, dtype=w.dtype)]))
    excess = _excess(subject, best, label)
    finite = ~best.at_box[:n]
    met = excess <= EXCESS * unit
    method = f"minimisers at {n} weights"
    distant = (~met & ~finite).nonzero().flatten()
    if len(distant):
        falls, fell = _pursue(subject, w[distant], label[distant], best, distant)
        if fell > 5 * unit:
            reason = "the risk has no lower bound: the verdict depends on which scores are allowed"
            return Finding("inconclusive", method, reason=reason)
        met[distant] = falls
    found = {
        "largest_uniform_noise": _longest(met[len(q) : len(q) + len(uniform)], uniform),
        "largest_pair_noise": _longest(met[len(q) + len(uniform) :], paired),
    }
    facts: dict[str, Any] = {
        "found": found, "worst": torch.where(met, 0.0, excess).max().item() / unit,
        "tolerance": EXCESS, "n": n,
    }  # fmt: skip
    if not best.value.isfinite().all():
        reason = "the minimiser found no finite risk at some weights"
        return Finding("inconclusive", method, reason=reason, **facts)
    if not (finite & ~met).any():
        if (certificate := prove(subject, "asymmetric")) is not None:
            return Finding("proved", method, certificate=certificate, **facts)
        if met.all():
            return Finding("not_refuted", method, **facts)
        reason = "minimisers run to infinity, too slowly to tell what becomes of the loss"
        return Finding("inconclusive", method, reason=reason, **facts)
    i = int(torch.where(finite & ~met, excess, -torch.inf).argmax())
    heaviest = int(label[i])
    again = minimise(subject, w[i : i + 1], starts=MORE, warm=best.point[i : i + 1, None])
    s = readable(subject, w[i], again.point[0], 1e-3 * unit * EXCESS)
    says = (
        f"these scores minimise the risk under weights {plain(w[i])}, but others have less loss "
        f"at label {heaviest}"
    )

    def terms(better: Tensor) -> list[Term]:
        return [Term(1.0, s.tolist(), heaviest), Term(-1.0, better.tolist(), heaviest)]

    return indicate(subject, says, terms, best.point[n + heaviest], method=method, **facts)


def _excess(subject: Subject, best: Minima, label: Tensor) -> Tensor:
    """Loss (N,) of each heaviest label at the first N minimisers, minus its infimum.

    The last k minima are those of each label's own loss.
    """
    n = len(label)
    there = subject.table(best.point[:n]).detach()[torch.arange(n), label]
    return there - best.value[n:][label]


def _pursue(
    subject: Subject, w: Tensor, label: Tensor, near: Minima, rows: Tensor
) -> tuple[Tensor, float]:
    """Whether each excess vanishes in growing boxes, and how far a risk fell in the first step."""
    k, n = subject.k, len(w)
    own = torch.arange(len(near.value) - k, len(near.value))
    start = torch.cat([rows, own])
    point, least = near.point[start], near.value[start]
    before = subject.table(point[:n]).detach()[torch.arange(n), label] - least[n:][label]
    vanishes, fell = torch.zeros(n, dtype=torch.bool), 0.0
    for small, box in pairwise(BOX * 10.0**i for i in range(4)):
        left = torch.cat([(~vanishes).nonzero().flatten(), torch.arange(n, n + k)])
        pushed = torch.where(point.abs() > 0.9 * small, 0.99 * box * point.sign(), point)
        every = torch.cat([w, torch.eye(k, dtype=w.dtype)])[left]
        best = minimise(subject, every, box=box, warm=pushed[left, None])
        if small == BOX:
            fell = (least[left] - best.value).max().item()
        point[left] = best.point
        left = left[:-k]
        after = _excess(subject, best, label[left])
        vanishes[left] = (after <= EXCESS * scale(subject)) | (after < before[left] / 3)
        before[left] = after
        if vanishes.all():
            break
    return vanishes, fell


def _uniform(eta: Tensor, k: int) -> Tensor:
    """Label weights (N, k) of samples of class 0 under noise of rates eta (N,), spread evenly."""
    return torch.cat([1 - eta[:, None], (eta[:, None] / (k - 1)).expand(-1, k - 1)], 1)


def _paired(eta: Tensor, k: int) -> Tensor:
    """Label weights (N, k) of samples of class 0 that carry label 1 with rates eta (N,)."""
    rest = torch.zeros(len(eta), k - 2, dtype=eta.dtype)
    return torch.cat([1 - eta[:, None], eta[:, None], rest], 1)


def _longest(met: Tensor, eta: Tensor) -> float:
    """The largest rate up to which the condition is met throughout; 0 if it never is."""
    first = int(met.cumprod(0).sum())
    return plain(eta[first - 1]) if first else 0.0
