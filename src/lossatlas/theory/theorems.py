"""Named theorems that turn "not refuted" into "proved", each with a test of its hypotheses.

A card names one with `proof:` in its claim of a property. The test measures how far the code is
from the formula that the theorem speaks of, for 2 to 10 classes and scores up to 1e6 (see
`agreement`). What is proved is proved of that formula, and printed together with that residual.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossatlas.theory import agreement
from lossatlas.theory.agreement import TOLERANCE
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding

ENTROPIES = (1.0, 1.5, 2.0)
ADDITIVE = (
    "convex_in_logits", "strictly_proper", "symmetric_sum_constant", "noise_invariant_minimiser",
    "probability_only",
)  # fmt: skip


class Theorem(NamedTuple):
    """What a theorem says, where it stands, what it proves, and the residual of its hypotheses."""

    statement: str
    source: str
    proves: tuple[str, ...]
    test: Callable[[Subject], float]


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


THEOREMS: dict[str, Theorem] = {
    "fenchel_young": Theorem(
        "a Fenchel-Young loss (here of a Tsallis entropy) is a conjugate minus a linear function",
        "Blondel, Martins & Niculae, JMLR 2020, proposition 2",
        ("convex_in_logits",),
        fenchel_young,
    ),
}


def unrefuted(subject: Subject, prop: str, method: str, **facts: Any) -> Finding:
    """What a search without a violation amounts to: proved, if the card's theorem applies.

    `facts` are further fields of the Finding.
    """
    if (certificate := prove(subject, prop)) is not None:
        return Finding("proved", method, certificate=certificate, **facts)
    return Finding("not_refuted", method, **facts)


def prove(subject: Subject, prop: str) -> str | None:
    """The certificate of a property by the theorem that the card names, or None.

    None too where the theorem's hypotheses do not hold of the code. For a sum that its parts' cards
    speak of, see `_of_parts`.
    """
    if subject.parts:
        return _of_parts(subject, prop)
    return _apply(subject, prop, subject.proof(prop))


def _of_parts(subject: Subject, prop: str) -> str | None:
    """A multiple has its loss's properties, and some a sum has from all its parts; else one formula

    may still be that of the whole sum: the theorems that the parts' cards name are tried on it.
    """
    if len(subject.parts) == 1 or prop in ADDITIVE:
        texts = [prove(part, prop) for _, part in subject.parts]
        if all(texts):
            return "; ".join(
                f"{part.name}: {text}" for (_, part), text in zip(subject.parts, texts, strict=True)
            )
    for name in dict.fromkeys(part.proof(prop) for _, part in subject.parts):
        if text := _apply(subject, prop, name):
            return text
    return None


def _apply(subject: Subject, prop: str, name: str | None) -> str | None:
    theorem = THEOREMS.get(name or "")
    if theorem is None or prop not in theorem.proves:
        return None
    worst = subject.memo(f"theorem {name}", lambda: _residual(subject, theorem))
    if not worst <= TOLERANCE:
        return None
    return (
        f"{theorem.statement} ({theorem.source}); proved of this formula, with which the code "
        f"agrees to {worst:.1g} {agreement.LOOKED}"
    )


def _residual(subject: Subject, theorem: Theorem) -> float:
    """The largest residual over all numbers of classes; infinite where the code fails for one."""
    worst = 0.0
    for k in agreement.CLASSES:
        if subject.fault(k):
            return float("inf")
        residual = theorem.test(subject if k == subject.k else subject.at(k))
        worst = max(worst, residual) if residual <= TOLERANCE else float("inf")
        if worst == float("inf"):
            break
    return worst
