"""What a loss promises as code: its special cases, its soft targets, its reductions."""

import copy
import itertools
from typing import Any

import torch
from torch import Tensor

from lossatlas.cards import Limit
from lossatlas.errors import UserError
from lossatlas.losses import expression
from lossatlas.losses.kinds import KINDS
from lossatlas.losses.targets import lift
from lossatlas.theory import design, inputs
from lossatlas.theory.checks import check
from lossatlas.theory.risks import plain
from lossatlas.theory.subject import Subject, examine, slope_of
from lossatlas.theory.verdict import Finding, Term, confirm, not_applicable, refute, signed

ROUNDING = 1e-12  # relative to the values compared, beside a limit's own tolerance
TOLERANCE = 1e-9  # relative to the loss's typical size plus its values
SCALES = (0.3, 1.0, 3.0, 10.0)
FURTHER = (100.0, 1e3)  # for identities; what is only approached strays at large scores
BATCHES = (4, 8, 16)


@check("both", "the card's limits; Mao et al., ICML 2023 (a family of losses)")
def special_cases(subject: Subject) -> Finding:
    """With the hyperparameters that the card names, the loss equals the other loss it names.

    |l_a(s, y) - l_b(s, y)| stays within the tolerance that the card states for each `limit`, plus
    a relative 1e-12. Method: largest difference at random inputs of scales 0.3 to 10, and to 1000
    for identities (tolerance up to 1e-9); targets of different types are lifted from class
    indices. What float64 alone deviates by is settled at 50 digits.
    """
    limits = subject.card.limits if subject.card else []
    if not limits:
        return not_applicable("the card names no special case")
    cases: list[dict[str, Any]] = []
    worst, excess, n = None, 0.0, 0
    unclear: list[str] = []
    for limit in limits:
        ours = _written(subject.name, limit.when) if limit.when else None
        theirs = _written(limit.equals, limit.and_there)
        try:
            a = examine(ours, subject.k, subject.class_counts) if ours else subject
            b = examine(theirs, subject.k, subject.class_counts)
            gap, point, target = _largest_gap(a, b, limit)
        except (UserError, ValueError) as error:  # a loss of another kind takes other inputs
            unclear.append(f"{theirs} cannot be compared: {error}")
            continue
        n += len(point)
        at = int(gap.argmax())
        cases.append({"equals": theirs, "when": limit.when, "residual": plain(gap[at])})
        if gap[at] > max(limit.tolerance, excess):
            excess, worst = gap[at].item(), (limit, ours, theirs, point[at], target[at])
    method = "random inputs of many scales, lifted to the targets of both losses"
    facts: dict[str, Any] = {"found": {"cases": cases}, "worst": excess, "n": n}
    facts["tolerance"] = max(limit.tolerance for limit in limits)
    if worst is None:
        if unclear:
            return Finding("inconclusive", "", reason="; ".join(unclear))
        facts["worst"] = max(case["residual"] for case in cases)
        return Finding("not_refuted", method, **facts)
    limit, ours, theirs, point, y = worst

    def terms(s: Tensor) -> list[Term]:
        pair = [Term(1.0, s.tolist(), y, loss=ours), Term(-1.0, s.tolist(), y, loss=theirs)]
        return signed(subject, pair)

    exact, rounding, how = confirm(subject, terms(point))
    if abs(exact) <= limit.tolerance + (rounding if how else 0):
        if unclear:
            return Finding("inconclusive", "", reason="; ".join(unclear))
        facts["found"]["rounding"] = plain(excess)
        vanishes = how or "at 50 digits"
        return Finding("not_refuted", f"{method}; what is left vanishes {vanishes}", **facts)
    says = f"{ours or subject.name} is not {theirs}, by more than {limit.tolerance:g}"
    return refute(subject, says, terms, point, method=method, **facts)


@check("logits", "course notes (soft targets and label sets)", reach=100)
def target_algebra(subject: Subject) -> Finding:
    """Several labels cost no more than single ones: l(s, q) <= E_{k~q} l(s, k), l(s, S) <= min_S l.

    The first is for distributions q (it follows from convexity in q), the second for label sets S.
    For distributions `found` says more: the largest relative `gap` to the expectation, which is 0
    for a loss that is linear in q, and how much that gap varies with s for the same q. Where it
    does not vary, the gradient in s is that of the expected loss. Defined for targets that can
    hold several classes. Method: random, tied and marginal logits with 40 random targets.
    """
    if not KINDS[subject.target].several:
        return not_applicable("the target is a single label")
    k = subject.k
    logits, _ = design.points(k)
    logits = logits[::40]
    mixed = _several(subject.target, k)
    table = subject.table(logits)
    values = torch.stack([subject.function(logits, y.expand(len(logits), k)) for y in mixed])
    if subject.target == "distribution":
        members = mixed @ table.T
        rule = "the labels' average"
    else:
        members = torch.where(mixed[:, None], table, torch.inf).amin(2)
        rule = "its cheapest label"
    size = inputs.unit(subject) + members.abs()
    excess = (values - members) / size
    found: dict[str, Any] = {}
    if subject.target == "distribution":
        gap = members - values
        found["gap"] = plain((gap.abs() / size).max())
        spread = (gap.amax(1) - gap.amin(1)) / (inputs.unit(subject) + members.abs().amax(1))
        found["gap_varies_by"] = plain(spread.max())
    worst = excess.max().item()
    facts: dict[str, Any] = {"found": found, "worst": worst, "tolerance": TOLERANCE}
    method, n = f"the loss of a target of several classes against {rule}", values.numel()
    if worst <= TOLERANCE:
        return Finding("not_refuted", method, n=n, **facts)
    which, at = divmod(int(excess.argmax()), len(logits))
    y = mixed[which].tolist()

    def terms(s: Tensor) -> list[Term]:
        if subject.target == "distribution":
            labels = [Term(-p, s.tolist(), label) for label, p in enumerate(y) if p > 0]
        else:
            inside = [label for label, member in enumerate(y) if member]
            cheapest = int(subject.table(s[None])[0, inside].argmin())
            labels = [Term(-1.0, s.tolist(), inside[cheapest])]
        return [Term(1.0, s.tolist(), y), *labels]

    says = f"a target of several classes costs more than {rule}"
    return refute(subject, says, terms, logits[at], method=method, n=n, **facts)


@check("both", "PyTorch documentation, torch.nn.CrossEntropyLoss (reduction)", reach=3)
def reduction_contract(subject: Subject) -> Finding:
    """ "mean" and "sum" are the mean and the sum of the values of "none", and so are the gradients.

    Defined for registered losses. Method: random batches of 4, 8 and 16. A violation would be no
    combination of per-sample values, so it is reported as inconclusive with its size.
    """
    if subject.loss is None:
        return not_applicable("a bare function has no reduction")
    worst, n = 0.0, 0
    for size, reduction in itertools.product(BATCHES, ("mean", "sum")):
        x, target = _batch(subject, size)
        leaves = [x.clone().requires_grad_() for _ in range(2)]
        each, reduced = copy.copy(subject.loss), copy.copy(subject.loss)
        each.reduction, reduced.reduction = "none", reduction  # type: ignore[assignment]
        # Copies, into which the code may write.
        values = each(leaves[0].clone(), None if target is None else target.clone())
        expected = values.mean() if reduction == "mean" else values.sum()
        result = reduced(leaves[1].clone(), target)
        slope, other = slope_of(expected, leaves[0]), slope_of(result, leaves[1])
        change = (result - expected).abs() / (inputs.unit(subject) + expected.abs())
        turn = (other - slope).abs().max() / (1 + slope.abs().max())
        worst = max(worst, change.item(), turn.item())
        n += 1
    method = "mean, sum and their gradients against the per-sample values of batches of 4, 8 and 16"
    if worst <= TOLERANCE:
        return Finding("not_refuted", method, worst=worst, tolerance=TOLERANCE, n=n)
    reason = f"a reduction differs from that of the per-sample values by a relative {worst:.3g}"
    return Finding("inconclusive", method, reason=reason, worst=worst, tolerance=TOLERANCE, n=n)


def _written(name: str, hyperparameters: dict[str, float]) -> str:
    return expression.write([expression.Term(1.0, name, dict(hyperparameters))])


def _largest_gap(a: Subject, b: Subject, limit: Limit) -> tuple[Tensor, Tensor, list[Any]]:
    """|a - b| beyond rounding at many inputs, the inputs, and their targets as terms hold them."""
    scales = SCALES + (FURTHER if limit.tolerance <= 1e-9 else ())
    if a.on_embeddings:
        x = torch.cat([c * inputs.embeddings(a) for c in scales])
        y = there = inputs.labels_of(a)
        held = [inputs.pick(a, y, 0)] * len(x)
    else:
        g = design.generator()
        each = 40 * a.k
        noise = torch.randn(len(scales), each, a.k, generator=g, dtype=torch.float64)
        x = (noise * torch.tensor(scales).view(-1, 1, 1)).flatten(0, 1)
        labels = torch.arange(len(x)) % a.k
        if a.target == b.target:
            y = there = inputs.targets(a.target, len(x), a.k)
            held = y.tolist()
        else:
            y, there = lift(labels, a.target, a.k), lift(labels, b.target, a.k)
            held = labels.tolist()
    ours, theirs = inputs.evaluate(a, x, y), inputs.evaluate(b, x, there)
    rounding = ROUNDING * torch.maximum(ours.abs(), theirs.abs())
    return inputs.nan_is_infinite(((ours - theirs).abs() - rounding).clamp(min=0)), x, held


def _several(kind: str, k: int) -> Tensor:
    """Targets (N, k) of two classes or more."""
    rows = inputs.targets(kind, 80, k)
    return rows[(rows > 0).sum(1) > 1]


def _batch(subject: Subject, size: int) -> tuple[Tensor, Tensor | None]:
    g = design.generator(size)
    if subject.on_embeddings:
        views = getattr(subject.loss, "views", 2)
        shape = (views, size, inputs.DIMENSIONS)
        return torch.randn(shape, generator=g, dtype=torch.float64), inputs.labels_of(subject, size)
    logits = torch.randn(size, subject.k, generator=g, dtype=torch.float64)
    return logits, inputs.targets(subject.target, size, subject.k)
