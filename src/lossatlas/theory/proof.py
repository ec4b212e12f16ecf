"""What turns "not refuted" into "proved": a named theorem, with a test of its hypotheses.

A card names one with `proof:` in its claim of a property, which is the name of its file in
`theory/theorems/`. The test measures how far the code is from the formula that the theorem speaks
of, for 2 to 10 classes and scores up to 1e6 (see `agreement`); infinity if a constant of it has not
the sign that the theorem needs. What is proved is proved of that formula, and printed together with
the residual. Where a statement is not quoted, its proof is short, and stands with its test.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from lossatlas.errors import UserError
from lossatlas.theory import agreement
from lossatlas.theory.agreement import TOLERANCE
from lossatlas.theory.certificates import PREFIX
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding

FOLDER = Path(__file__).parent / "theorems"
NAMES = {path.stem for path in FOLDER.glob("[!_]*.py")}
NEVER = float("inf")  # the residual where the hypotheses cannot hold
HAND = "short proof in the test's docstring"
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


def theorem(source: str, *proves: str) -> Callable[[Callable[[Subject], float]], Theorem]:
    """Make the test of a theorem's hypotheses into the theorem that its file's docstring states."""

    def make(test: Callable[[Subject], float]) -> Theorem:
        text = (sys.modules[test.__module__].__doc__ or "").strip().removesuffix(".")
        return Theorem(f"{text[:1].lower()}{text[1:]}", source, proves, test)

    return make


def load(name: str) -> Theorem:
    """The theorem of that name, one of NAMES."""
    found: Theorem = getattr(import_module(f"lossatlas.theory.theorems.{name}"), name)
    return found


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

    Raises:
        UserError: the card names no theorem that there is.
    """
    if subject.parts:
        return _of_parts(subject, prop)
    name = subject.proof(prop)
    if name is not None and name not in NAMES and not name.startswith(PREFIX):
        raise UserError(
            f"card {subject.name}: field 'properties.{prop}.proof': there is no theorem {name!r}; "
            f"legal: {PREFIX}EXPRESSION, {', '.join(sorted(NAMES))}"
        )
    return _apply(subject, prop, name)


def _of_parts(subject: Subject, prop: str) -> str | None:
    """A multiple has its loss's properties, and some a sum has from all its parts; else one formula

    may still be that of the whole sum: the theorems that the parts' cards name are tried on it.
    """
    if subject.summands and (len(subject.parts) == 1 or prop in ADDITIVE):
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
    if name not in NAMES:
        return None
    theorem = load(name)
    if prop not in theorem.proves:
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
