"""Verdicts and witnesses: what a check may conclude, and the evidence it has to leave behind.

A witness is a linear combination of loss values which the property says is at most zero, at points
where it is not. Convexity, for one, says l(m) - l(a)/2 - l(b)/2 <= 0 at a midpoint m. Anyone can
evaluate it again; `refute` does so in float64 and at 50 digits before the word is used. Where the
code has no 50-digit form, float64 with random rounding takes its place, and the witness says so.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Literal, NamedTuple

import mpmath
import torch
from torch import Tensor

from lossatlas.theory.exact import DIGITS, Unsupported
from lossatlas.theory.inputs import steepness
from lossatlas.theory.random_rounding import measured
from lossatlas.theory.subject import Subject, examine, slope_of

Verdict = Literal[
    "proved", "refuted", "evidence_against", "not_refuted", "inconclusive", "not_applicable"
]
CLEAR = 1e3  # a violation must exceed the rounding bound that many times


class Term(NamedTuple):
    """`weight` times the loss at `inputs` (k logits, or one batch of embeddings) and `target`.

    `target` is a class index, or what the loss takes: a distribution, a list of truth values, the
    labels of a batch, or None for two views. `precision` rounds the inputs and computes in a
    narrower type; what is not finite there counts as an infinite violation. With `along`, shaped as
    the inputs, the derivative in that direction takes the place of the value: of the value itself,
    or, if `trained`, as autograd has it, with what the code holds fixed. `loss` names another loss,
    such as "gce(q=1)", for statements about two.
    """

    weight: float
    inputs: list[Any]
    target: Any
    precision: str = "float64"
    along: list[Any] | None = None
    loss: str | None = None
    trained: bool = False


@dataclass(frozen=True)
class Witness:
    """The sum of `terms` should be at most zero, and is `value` (`exact`, to 50 digits).

    `rounding` bounds the error of the float64 value; `says` tells what the combination means, and
    whether `exact` had to be computed in float64 as well.
    """

    terms: list[Term]
    says: str
    value: float
    exact: str
    rounding: float
    kind: str
    k: int
    class_counts: list[float] | None = None

    @classmethod
    def read(cls, plain: dict[str, Any]) -> "Witness":
        """A witness from the plain data that `as_json` makes of it."""
        numbers = {key: float(plain[key]) for key in ("value", "rounding")}  # infinities are text
        return cls(**{**plain, **numbers, "terms": [Term(*term) for term in plain["terms"]]})


@dataclass(frozen=True)
class Finding:
    """What one check concludes.

    Attributes:
        verdict: proved, refuted, evidence_against, not_refuted, inconclusive or not_applicable.
        method: what was done, in a clause; for not_refuted, what was searched.
        found: numbers and curves that the check measured, as plain data.
        witness: of a refutation; of evidence against, the combination of values that speaks.
        certificate: of a proof: the theorem or certificate, and the residual of the identity test.
        reason: of an inconclusive or not applicable verdict.
        worst: the largest violation that was seen, in the check's own measure.
        tolerance: what that measure may reach by rounding.
        n: number of points examined.
    """

    verdict: Verdict
    method: str
    found: dict[str, Any] = field(default_factory=dict)
    witness: Witness | None = None
    certificate: str | None = None
    reason: str | None = None
    worst: float | None = None
    tolerance: float | None = None
    n: int = 0


def not_applicable(reason: str) -> Finding:
    """The property is not defined for this loss."""
    return Finding("not_applicable", "", reason=reason)


def refute(
    subject: Subject,
    says: str,
    terms: Callable[..., list[Term]],
    *points: Tensor,
    method: str,
    **facts: Any,
) -> Finding:
    """Refuted, if the combination `terms(*points)` is positive beyond doubt; else inconclusive.

    The points are first rounded to as few decimals as keep half of the violation, so that the
    witness can be read. `facts` are further fields of the Finding.
    """
    combination = terms(*_simplest(subject, terms, points))
    if of_distances(subject) and (over := _highest_of(combination)) > 0:
        # All scores lowered alike, it may be seen at distances as well.
        combination = terms(*_simplest(subject, terms, tuple(p - over for p in points)))
        if _highest_of(combination) > 0 or not evaluate(subject, combination)[0] > 0:
            reason = "what was found has a score above 0, which no distance_head gives"
            return Finding("inconclusive", method, reason=reason, **facts)
    value, _ = evaluate(subject, combination)
    exact, rounding, how = confirm(subject, combination)
    witness = Witness(
        combination, f"{says} ({how})" if how else says, value, mpmath.nstr(exact, 20), rounding,
        subject.target, subject.k, list(subject.class_counts) if subject.class_counts else None,
    )  # fmt: skip
    problem = doubt(value, exact, rounding, "random rounding" if how else "50 digits")
    if problem:
        problem += f" ({how})" if how else ""
        return Finding("inconclusive", method, reason=problem, **facts)
    return Finding("refuted", method, witness=witness, **facts)


def indicate(
    subject: Subject,
    says: str,
    terms: Callable[..., list[Term]],
    *points: Tensor,
    method: str,
    **facts: Any,
) -> Finding:
    """As `refute`, but evidence against: for properties that no finite set of values can refute.

    A bound, a limit, a least risk are about all scores: what grew may level off further out.
    """
    finding = refute(subject, says, terms, *points, method=method, **facts)
    against = finding.verdict == "refuted"
    return replace(finding, verdict="evidence_against") if against else finding


def signed(subject: Subject, terms: list[Term]) -> list[Term]:
    """The terms, with all signs turned if their sum is negative: for properties of equality."""
    value, _ = evaluate(subject, terms)
    return terms if value >= 0 else [term._replace(weight=-term.weight) for term in terms]


def confirm(subject: Subject, terms: list[Term]) -> tuple[Any, float, str | None]:
    """A combination at 50 digits, a bound on its rounding in float64, and None; or by another way.

    Where the code has no 50-digit form: the mean over float64 runs with random rounding, a bound
    from their range, and words that say so.
    """
    _, rounding = evaluate(subject, terms)
    try:
        return evaluate_exactly(subject, terms), rounding, None
    except Unsupported as error:
        value, spread = measured(lambda: evaluate(subject, terms)[0])
        how = f"in float64 with random rounding, as {error}"
        return mpmath.mpf(value), max(rounding, spread), how


def doubt(value: float, exact: Any, rounding: float, by: str = "50 digits") -> str | None:
    """Why a combination's value is no refutation, or None if it is one."""
    if value == exact == math.inf:
        return None
    if not math.isfinite(value):
        return f"the value is {value}"
    if not exact > 0:
        return f"float64 gives {value:.3g}, {by} {mpmath.nstr(exact, 3)}: rounding"
    if exact <= CLEAR * rounding:
        return f"a violation of {value:.3g} is comparable with rounding ({rounding:.1g})"
    if abs(value - exact) > max(CLEAR * rounding, 1e-6 * exact):
        return f"float64 gives {value:.6g}, {by} {mpmath.nstr(exact, 6)}"
    return None


def evaluate(subject: Subject, terms: list[Term]) -> tuple[float, float]:
    """A combination in float64 (narrower where a term says so), and a bound on its rounding."""
    values = [term.weight * _value(subject, term) for term in terms]
    size = sum(abs(value) for value in values if math.isfinite(value))
    inputs = max(_largest(term.inputs) for term in terms)
    weights = sum(abs(term.weight) for term in terms) * steepness(subject)
    total = math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
    return total, 2.0**-52 * (size + weights * (1 + inputs))


def evaluate_exactly(subject: Subject, terms: list[Term]) -> Any:
    """A combination as an mpmath number of 50 digits; narrow terms keep their narrow value."""
    with mpmath.workdps(DIGITS):
        total = mpmath.mpf(0)
        for term in terms:
            if term.precision == "float64":
                value = _exact_value(_of(subject, term), term)
            else:
                value = mpmath.mpf(_value(subject, term))
            total += mpmath.mpf(term.weight) * value
        return total


def _value(subject: Subject, term: Term) -> float:
    subject = _of(subject, term)
    inputs = torch.tensor(term.inputs, dtype=torch.float64).to(getattr(torch, term.precision))
    inputs.requires_grad_(term.along is not None)
    target = _target(subject, term)
    if subject.on_embeddings:
        result = subject.function(inputs, target).double().mean()
    elif isinstance(term.target, int):
        result = subject.values(inputs[None], torch.tensor([term.target])).double().squeeze()
    else:
        result = subject.function(inputs[None], target).double().squeeze()
    if term.along is not None:
        gradient = slope_of(result, inputs)
        result = (gradient.double() * torch.tensor(term.along, dtype=torch.float64)).sum()
    value = result.item()
    if term.precision != "float64" and not math.isfinite(value):
        return math.copysign(math.inf, term.weight)
    return value


def _exact_value(subject: Subject, term: Term) -> Any:
    target = _target(subject, term)
    if term.along is None:
        return subject.at_50_digits(term.inputs, target)
    if term.trained:
        raise Unsupported("autograd has no 50-digit form")
    step = mpmath.mpf(10) ** (-DIGITS // 3) * (1 + _largest(term.inputs))
    ahead, behind = (
        subject.at_50_digits(_moved(term.inputs, term.along, sign * step), target)
        for sign in (1, -1)
    )
    return (ahead - behind) / (2 * step)


def _moved(inputs: Any, along: Any, step: Any) -> Any:
    if isinstance(inputs, list):
        return [_moved(x, v, step) for x, v in zip(inputs, along, strict=True)]
    return mpmath.mpf(inputs) + step * mpmath.mpf(along)


def _of(subject: Subject, term: Term) -> Subject:
    return subject if term.loss is None else _named(term.loss, subject.k, subject.class_counts)


@cache
def _named(name: str, k: int, class_counts: tuple[float, ...] | None) -> Subject:
    return examine(name, k, class_counts)


def _target(subject: Subject, term: Term) -> Any:
    y = term.target
    if y is None or isinstance(y, int):
        return y
    if subject.on_embeddings:
        return torch.tensor(y)
    return torch.tensor([y]) if isinstance(y[0], bool) else torch.tensor([y], dtype=torch.float64)


def of_distances(subject: Subject) -> bool:
    return subject.loss is not None and "distance_head" in subject.loss.requires


def _highest_of(combination: list[Term]) -> float:
    return max(_highest(term.inputs) for term in combination)


def _highest(values: Any) -> float:
    return max(map(_highest, values)) if isinstance(values, list) else float(values)


def _largest(values: Any) -> float:
    return max(map(_largest, values)) if isinstance(values, list) else abs(float(values))


def _simplest(
    subject: Subject, terms: Callable[..., list[Term]], points: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    whole, _ = evaluate(subject, terms(*points))
    for decimals in range(7):
        rounded = tuple(point.round(decimals=decimals) for point in points)
        value, rounding = evaluate(subject, terms(*rounded))
        legible = math.isfinite(value) or value == whole == math.inf
        if legible and value >= max(0.5 * whole, 2 * CLEAR * rounding):
            return rounded
    return points


def as_json(value: Any) -> Any:
    """Dataclasses and tensors as plain data; infinities and NaN as text."""
    if hasattr(value, "__dataclass_fields__"):
        return as_json(asdict(value))
    if isinstance(value, Tensor):
        return as_json(value.tolist())
    if isinstance(value, dict):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
