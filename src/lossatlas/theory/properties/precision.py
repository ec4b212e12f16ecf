"""Numerical stability: what narrow arithmetic does to values and gradients, and dead gradients."""

from typing import Any

import torch
from torch import Tensor

from lossatlas.losses.targets import lift
from lossatlas.theory import design, inputs
from lossatlas.theory.checks import check
from lossatlas.theory.exact import Unsupported
from lossatlas.theory.risks import plain
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding, Term, refute, signed

LARGEST = 3e4  # the largest score; float16 ends at 65504
CORNERS = (20.0, 100.0, 300.0, 700.0, 3e3, LARGEST)
# Relative errors allowed of values and gradients. A loss may compute in its inputs' type, so that
# the half precisions are granted some of their own rounding (2^-8 and 2^-11).
VALUE = {"float32": 1e-5, "bfloat16": 0.03, "float16": 4e-3}
SLOPE = {"float32": 0.01, "bfloat16": 0.1, "float16": 0.03}
ULPS = 4  # of the largest input: a change by so many units in the last place is forgiven
EXAMINED = 24  # points at which float64 itself is compared with 50 digits
GAPS = torch.logspace(-0.3, 4, 55, dtype=torch.float64)
DEAD = 1e-6  # of the gradient of a slight mistake
ABRUPT = 4.0  # a clamp cuts a gradient within so many times the gap at which it was halved


@check("both", "Micikevicius et al., ICLR 2018 (mixed precision)", reach=3e4)
def stable_in_float32(subject: Subject) -> Finding:
    """In float32 the value errs by less than 1e-5 and the gradient by less than 1 %.

    Relative to the loss's typical value (gradient) plus the value (gradient) at hand, for scores
    up to 3e4 in size; and values may err by what 4 units in the last place of the largest score
    change, the mark of a backward stable method. The truth is the same code in float64 at the
    inputs as float32 rounds them; `float64_error` in `found` compares float64 with 50 digits at 24
    points. Values and gradients that are not finite, but are in float64, are infinite errors.
    """
    finding = _stable(subject, "float32")
    finding.found["float64_error"] = _error_of_float64(subject)
    return finding


@check("both", "A Study of BFLOAT16 for Deep Learning Training, 2019", reach=3e4)
def stable_in_bfloat16(subject: Subject) -> Finding:
    """On bfloat16 inputs the value errs by less than 3 % and the gradient by less than 10 %.

    Measured as in float32. That leaves room for a result which is rounded to bfloat16 itself.
    """
    return _stable(subject, "bfloat16")


@check("both", "Micikevicius et al., ICLR 2018 (mixed precision)", reach=3e4)
def stable_in_float16(subject: Subject) -> Finding:
    """On float16 inputs the value errs by less than 0.4 % and the gradient by less than 3 %.

    Measured as in float32. That leaves room for a result which is rounded to float16 itself.
    """
    return _stable(subject, "float16")


@check(
    "logits",
    "Zhang & Sabuncu, NeurIPS 2018; Ma et al., ICML 2020 (why robust losses underfit)",
    reach=1e4,
)
def no_dead_gradient(subject: Subject) -> Finding:
    """A confident mistake has a gradient in float32: above 1e-6 of that of a slight mistake.

    The label's score trails by a gap of 0.5 to 10,000, behind one rival or behind all. A slight
    mistake trails by 2 at most. Every loss that levels off is refuted, by whatever means; `cause`
    in `found` tells them apart. "clamp": the gradient was still half of its largest at a quarter of
    the gap at which it is dead, as behind a clamp or an epsilon in a logarithm. "float32": float64
    still has more than 1e-2 there. "saturation": the formula flattens out gradually.
    `gap`, `gradient`: the curve of the largest entry of the gradient; `dead_from`: the gap.
    """
    rows, labels = _mistakes(subject)
    narrow = _largest_slope(subject, rows, labels, torch.float32)
    wide = _largest_slope(subject, rows, labels, torch.float64)
    paths = narrow.view(2, -1)
    slight = paths[:, GAPS <= 2].amax(1)
    share = paths / slight[:, None].clamp(min=1e-300)
    if share.isnan().any():
        at = plain(GAPS[int(paths.isinf().any(0).nonzero()[0])])
        reason = f"in float32 the gradient of a slight mistake, trailing by {at}, is not finite"
        return Finding("inconclusive", "", reason=reason)
    path = int((share.amin(1)).argmin())
    curve, true = share[path], wide.view(2, -1)[path] / slight[path]
    found: dict[str, Any] = {"gap": plain(GAPS), "gradient": plain(paths[path])}
    least = curve.min().item()
    facts: dict[str, Any] = {"worst": DEAD - least, "tolerance": 0.0, "n": 2 * len(rows)}
    method = "float32 gradients while the label falls behind one rival or all"
    if least >= DEAD:
        return Finding("not_refuted", method, found, **facts)
    dead = (curve < DEAD).nonzero().flatten()
    first, last = int(dead[0]), int(dead[-1])
    halved = int((curve < 0.5).nonzero()[0])
    found["dead_from"] = plain(GAPS[first])
    if true[first] > 1e-2:
        found["cause"] = "float32"
    else:
        found["cause"] = "clamp" if GAPS[first] < ABRUPT * GAPS[halved] else "saturation"
    row, y = rows.view(2, len(GAPS), -1)[path], int(labels[0])
    steep = int(paths[path, GAPS <= 2].argmax())

    def terms(slight: Tensor, confident: Tensor) -> list[Term]:
        ahead = _uphill(subject, slight, y, torch.float64)
        dead = _uphill(subject, confident, y, torch.float32)
        return [
            Term(10 * DEAD, slight.tolist(), y, along=ahead),
            Term(-1.0, confident.tolist(), y, "float32", along=dead),
        ]

    says = f"trailing by {GAPS[last]:.4g}, the label pulls less than 1e-5 of what it did before"
    return refute(subject, says, terms, row[steep], row[last], method=method, found=found, **facts)


def _stable(subject: Subject, precision: str) -> Finding:
    points, target = _points(subject, precision)
    values = inputs.evaluate(subject, points, target)
    slopes = inputs.gradient(subject, points, target).flatten(1)
    narrow = points.to(getattr(torch, precision))
    try:
        value_gap = inputs.evaluate(subject, narrow, target).double() - values
        slope_gap = inputs.gradient(subject, narrow, target).double().flatten(1) - slopes
    except RuntimeError as error:
        return Finding("inconclusive", "", reason=f"fails on {precision} inputs: {error}")
    known = values.isfinite() & slopes.isfinite().all(1)
    forgiven = ULPS * torch.finfo(narrow.dtype).eps * inputs.flat(points) * slopes.abs().sum(1)
    size = inputs.unit(subject) + values.abs() + forgiven / VALUE[precision]
    value_error = value_gap.abs() / size
    slope_error = slope_gap.abs() / (_typical_slope(subject) + slopes.abs().amax(1))[:, None]
    errors = [inputs.nan_is_infinite(e)[known] for e in (value_error, slope_error)]
    allowed = (VALUE[precision], SLOPE[precision])
    found: dict[str, Any] = {
        "value_error": plain(errors[0].max()),
        "gradient_error": plain(errors[1].max()),
        "not_finite": int(errors[0].isinf().sum()),
        "gradients_not_finite": int(errors[1].isinf().any(1).sum()),
        "not_finite_in_float64": int((~known).sum()),
    }
    worst = [error.max().item() / most for error, most in zip(errors, allowed, strict=True)]
    facts: dict[str, Any] = {"worst": max(worst), "tolerance": 1.0, "n": len(points)}
    method = f"{precision} against float64 at scores of 0.1 to 3e4, ties and corners"
    if max(worst) <= 1:
        return Finding("not_refuted", method, found, **facts)
    to = inputs.rows(subject, target, known)
    if worst[0] > 1:
        at = int(errors[0].argmax())
        entry = None
        says = f"the value in {precision} is off by more than {allowed[0]:g}, relatively"
    else:
        at, entry = divmod(int(errors[1].argmax()), slopes.shape[1])
        says = f"the gradient in {precision} is off by more than {allowed[1]:g}, relatively"
    y, most = inputs.pick(subject, to, at), allowed[entry is not None]

    def terms(x: Tensor) -> list[Term]:
        return _error(subject, x, y, precision, entry, most)

    return refute(subject, says, terms, points[known][at], method=method, found=found, **facts)


def _points(subject: Subject, precision: str) -> tuple[Tensor, Tensor | None]:
    """Inputs of all sizes, as `precision` rounds them, in float64."""
    if subject.on_embeddings:
        z = inputs.embeddings(subject)
        points = torch.cat([c * z for c in (0.01, 1.0, 100.0, 1e4)])
        target = inputs.labels_of(subject)
    else:
        g = design.generator()
        corners, labels = inputs.rays(subject)
        rows = [c * corners for c in CORNERS]
        for scale in (0.1, 1.0, 10.0, 100.0, 1e3, 1e4):
            rows.append(scale * torch.randn(80, subject.k, generator=g, dtype=torch.float64))
        for size in (100.0, 1e4):
            rows.append(size + torch.randn(80, subject.k, generator=g, dtype=torch.float64))
        points = torch.cat(rows).clamp(-LARGEST, LARGEST)
        assert labels is not None
        rest = len(points) - len(labels) * len(CORNERS)
        more = inputs.targets(subject.target, rest, subject.k, seed=1)
        target = torch.cat([*[labels] * len(CORNERS), more])
    return points.to(getattr(torch, precision)).double(), target


def _error(
    subject: Subject, x: Tensor, y: Any, precision: str, entry: int | None, allowed: float
) -> list[Term]:
    """The error at x of the value, or of one entry of the gradient, beyond what is allowed."""
    dtype = getattr(torch, precision)
    x = x.to(dtype).double()
    reference, label = inputs.typical(subject)
    here, there = Term(-1.0, x.tolist(), y), Term(1.0, x.tolist(), y, precision)
    own, other = Term(1.0, x.tolist(), y), Term(1.0, reference.tolist(), label)
    if entry is None:
        signs = _slope(subject, x, y, torch.float64).sign().tolist()
        last_place = ULPS * torch.finfo(dtype).eps * x.abs().max().item()
        forgiven = [Term(-last_place, x.tolist(), y, along=signs)]
    else:
        along = torch.zeros_like(x).flatten().index_fill(0, torch.tensor(entry), 1.0)
        forgiven, direction = [], along.view_as(x).tolist()
        here, there = here._replace(along=direction), there._replace(along=direction)
        own = own._replace(along=_uphill(subject, x, y, torch.float64))
        other = other._replace(along=_uphill(subject, reference, label, torch.float64))
    sizes = [_scaled(-allowed, signed(subject, [term])[0]) for term in (own, other)]
    return [*signed(subject, [there, here]), *sizes, *forgiven]


def _scaled(factor: float, term: Term) -> Term:
    return term._replace(weight=factor * term.weight)


def _uphill(subject: Subject, x: Tensor, y: Any, dtype: torch.dtype) -> list[Any]:
    """The direction of the one input that changes the loss most, so that it rises."""
    slope = _slope(subject, x, y, dtype).flatten()
    most = int(slope.abs().argmax())
    unit = torch.zeros_like(slope)
    unit[most] = 1.0 if slope[most] >= 0 else -1.0
    return unit.view_as(x).tolist()


def _slope(subject: Subject, x: Tensor, y: Any, dtype: torch.dtype) -> Tensor:
    """Gradient in float64 of the loss at one input, with a target as a `Term` holds it."""
    target = y if y is None else torch.tensor(y if subject.on_embeddings else [y])
    if isinstance(y, int):
        target = lift(torch.tensor([y]), subject.target, x.shape[-1])
    if isinstance(y, list) and isinstance(y[0], float):
        target = torch.tensor([y], dtype=torch.float64)
    return inputs.gradient(subject, x[None].to(dtype), target)[0].double()


def _typical_slope(subject: Subject) -> float:
    reference, label = inputs.typical(subject)
    return _slope(subject, reference, label, torch.float64).abs().max().item() or 1.0


def _error_of_float64(subject: Subject) -> float | None:
    """Largest relative error of float64 against 50 digits; None where these cannot be had."""
    points, target = _points(subject, "float32")
    chosen = torch.linspace(0, len(points) - 1, EXAMINED).long()
    to = inputs.rows(subject, target, chosen)
    values = inputs.evaluate(subject, points[chosen], to)
    worst = 0.0
    for i, value in enumerate(values.tolist()):
        y = to if to is None or subject.on_embeddings else to[i : i + 1]
        try:
            exact = subject.at_50_digits(points[chosen[i]].tolist(), y)
        except Unsupported:
            return None
        error = float(abs(exact - value) / (inputs.unit(subject) + abs(exact)))
        worst = max(worst, error)
    return plain(worst)


def _mistakes(subject: Subject) -> tuple[Tensor, Tensor]:
    """Scores (2 G, k) of class 0 trailing by each gap: behind class 1 alone, then behind all."""
    alone = torch.zeros(len(GAPS), subject.k, dtype=torch.float64)
    alone[:, 1] = GAPS
    behind = torch.zeros_like(alone)
    behind[:, 0] = -GAPS
    return torch.cat([alone, behind]), torch.zeros(2 * len(GAPS), dtype=torch.int64)


def _largest_slope(subject: Subject, logits: Tensor, labels: Tensor, dtype: torch.dtype) -> Tensor:
    slopes = subject.gradient(logits.to(dtype), labels).double()
    return inputs.nan_is_infinite(inputs.flat(slopes))
