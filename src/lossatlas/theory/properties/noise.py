"""Population minimisers under label noise.

What is compared is the minimiser itself. That its largest score stays in place says nothing about
robustness: under uniform noise every calibrated loss keeps it, cross-entropy included.
"""

from typing import Any

import torch
from torch import Tensor

from lossatlas.theory.checks import check
from lossatlas.theory.minimise import minimise, scale
from lossatlas.theory.proof import unrefuted
from lossatlas.theory.risks import decisions, plain, readable, risk_terms
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding, Term, indicate

RATE = 0.4  # of wrong labels
EXCESS = 1e-6  # of clean risk, in units of the loss's scale


@check(
    "logits",
    "Ghosh, Kumar & Sastry, AAAI 2017, theorem 1; Patrini et al., CVPR 2017 (noise)",
    reach=30,
)
def noise_invariant_minimiser(subject: Subject) -> Finding:
    """Uniform label noise moves no minimiser: what minimises the risk at T q does so at q.

    T q = (1 - eta K / (K - 1)) q + eta / (K - 1), eta = 0.4. Found besides: how far the softmax of
    the minimiser moves under this noise and under pair noise, where each class k carries label
    k + 1 with probability 0.4, and how often the largest score stays in place, which is no measure
    of robustness.
    Method: minimisers by BFGS at 12 posteriors; the risk at q of the minimiser at T q, minus the
    least.
    """
    k, unit = subject.k, scale(subject)
    q = decisions(subject, 12)[0]
    q = q / q.sum(1, keepdim=True)
    uniform = (1 - RATE * k / (k - 1)) * q + RATE / (k - 1)
    paired = (1 - RATE) * q + RATE * q.roll(1, 1)
    n = len(q)
    best = minimise(subject, torch.cat([q, uniform, paired]))
    clean, noisy, pair = best.point.split(n)
    # Both searches end in many places where a minimum is at infinity: each tries the other's.
    worse = subject.risk(noisy, q) < best.value[:n]
    clean = torch.where(worse[:, None], noisy, clean)
    missed = subject.risk(clean, uniform) < best.value[n : 2 * n]
    noisy = torch.where(missed[:, None], clean, noisy)
    excess = subject.risk(noisy, q) - subject.risk(clean, q)
    found = {
        "moved_by_uniform_noise": _moved(noisy, clean),
        "moved_by_pair_noise": _moved(pair, clean),
        "argmax_kept_under_uniform_noise": _kept(noisy, clean),
        "argmax_kept_under_pair_noise": _kept(pair, clean),
    }
    facts: dict[str, Any] = {
        "found": found, "worst": excess.max().item() / unit, "tolerance": EXCESS, "n": n,
    }  # fmt: skip
    method = f"minimisers at {n} posteriors and at what noise of rate {RATE:g} makes of them"
    if not best.value.isfinite().all():
        reason = "the minimiser found no finite risk at some posterior"
        return Finding("inconclusive", method, reason=reason, **facts)
    if excess.max() <= EXCESS * unit:
        return unrefuted(subject, "noise_invariant_minimiser", method, **facts)
    i = int(excess.argmax())
    s = readable(subject, uniform[i], noisy[i], 1e-3 * excess[i].item())
    says = f"what minimises the risk at {plain(uniform[i])} does not at {plain(q[i])}"

    def terms(better: Tensor) -> list[Term]:
        return risk_terms(1.0, q[i], s) + risk_terms(-1.0, q[i], better)

    return indicate(subject, says, terms, clean[i], method=method, **facts)


def _moved(a: Tensor, b: Tensor) -> float:
    return plain((torch.softmax(a, 1) - torch.softmax(b, 1)).abs().max())


def _kept(a: Tensor, b: Tensor) -> float:
    return plain((a.argmax(1) == b.argmax(1)).double().mean())
