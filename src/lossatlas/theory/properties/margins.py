"""The loss against the label's score and its margin: 0-1 loss, classical curves, tails."""

import math
from typing import Any

import mpmath
import torch
from torch import Tensor

from lossatlas.theory import design, inputs
from lossatlas.theory.checks import check
from lossatlas.theory.exact import DIGITS, Unsupported
from lossatlas.theory.risks import plain
from lossatlas.theory.subject import Subject, slope_of
from lossatlas.theory.verdict import Finding, Term, refute

SHARE = 1e-3  # of the loss at s = 0: what a wrong prediction has to cost
LAGS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0, 400.0)
FAR = (0.0, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
REACHES = (60.0, 40.0, 30.0, 20.0, 10.0, 6.0, 4.0, 3.0, 2.0, 1.0, 0.5)
TOLERANCE = 1e-9  # relative to the loss's typical size plus its values
STEPS = (0.1, 1.0, 10.0, 100.0)
CURVES = {
    "zero_one": lambda m: (m <= 0).double(),
    "hinge": lambda m: (1 - m).relu(),
    "logistic": lambda m: torch.logaddexp(torch.zeros_like(m), -m),
    "exponential": lambda m: (-m).exp(),
}


@check(
    "logits", "Bartlett, Jordan & McAuliffe, JASA 2006; course notes (margin sandwich)", reach=1e5
)
def dominates_zero_one(subject: Subject) -> Finding:
    """A wrong prediction has its price: l(s, y) >= c 1[s_y <= max_{j != y} s_j], c = l(0, y)/1000.

    Then accuracy is under control: the error rate is at most the risk divided by c. The largest
    such c is `constant` in `found`; that the loss bounds the 0-1 loss itself means c >= 1. A
    thousandth of the loss of indifference stands for "more than nothing"; ties count as wrong.
    `found` also has the least and the largest loss at each margin m = s_y - max_{j != y} s_j (the
    rivals of the best rival, at 0, lie anywhere below), and how far it lies above the 0-1 loss, the
    hinge max(0, 1 - m), the logistic log(1 + e^-m) and the exponential e^-m, [least, most].
    Method: random, tied and remote wrong scores, then descent that stays wrong.
    """
    wrong, labels = _wrong(subject)
    values = inputs.nan_is_infinite(subject.values(wrong, labels))
    s, y, least = _cheapest(subject, wrong, labels, values)
    indifferent = subject.values(torch.zeros(1, subject.k, dtype=torch.float64), y[None]).item()
    label = int(y)
    found: dict[str, Any] = {"constant": plain(least), "at": plain(s), "label": label}
    found |= {"indifference": plain(indifferent), **_sandwich(subject)}
    excess = SHARE * max(indifferent, 0.0) - least
    facts: dict[str, Any] = {"worst": excess, "tolerance": 0.0, "n": len(values)}
    method = "random, tied and remote wrong scores, and descent from the cheapest"
    if excess < 0:
        return Finding("not_refuted", method, found, **facts)

    def terms(s: Tensor) -> list[Term]:
        price = [Term(-1.0, s.tolist(), label)]
        zero = [0.0] * subject.k
        return [Term(SHARE, zero, label), *price] if indifferent > 0 else price

    says = f"class {label} does not win, yet that costs less than a thousandth of a guess"
    return refute(subject, says, terms, s, method=method, found=found, **facts)


@check("logits", "Soudry et al. 2018; Ji & Telgarsky (exponential tails)", reach=2e6)
def decreasing_in_score(subject: Subject) -> Finding:
    """A higher score of the label never costs more: l(s + t e_y, y) <= l(s, y) for t > 0.

    `found` follows the label's score t, all others being 0. `up` says what t -> inf does: the loss
    settles at its limit (`rate` r of e^(-r t), or `power`), reaches it, rises after its `optimum`,
    or falls without end. `down` says what t -> -inf does: bounded, or growing like |t|^power
    (`slope` where that is linear), or exponentially.
    Method: steps of 0.1, 1, 10 and 100 at random, tied and marginal logits.
    """
    logits, labels = design.points(subject.k)
    logits, labels = logits[::8], labels[::8]
    here, e_y = subject.values(logits, labels), torch.eye(subject.k).double()[labels]
    moved = torch.stack([subject.values(logits + step * e_y, labels) for step in STEPS])
    rise = (moved - here) / (inputs.unit(subject) + here.abs())
    rise = rise.nan_to_num(0.0, 0.0, 0.0)
    found, worst = _tails(subject), rise.max().item()
    facts: dict[str, Any] = {"worst": worst, "tolerance": TOLERANCE, "n": moved.numel()}
    method = "steps of 0.1, 1, 10 and 100 at random, tied and marginal logits"
    if rise.max() <= TOLERANCE:
        return Finding("not_refuted", method, found, **facts)
    which, at = divmod(int(rise.argmax()), len(logits))
    step, label = STEPS[which], int(labels[at])

    def terms(s: Tensor) -> list[Term]:
        higher = s + step * e_y[at]
        return [Term(1.0, higher.tolist(), label), Term(-1.0, s.tolist(), label)]

    says = f"the label's score rises by {step:g}, and so does the loss"
    return refute(subject, says, terms, logits[at], method=method, found=found, **facts)


def _wrong(subject: Subject) -> tuple[Tensor, Tensor]:
    """Scores (N, k) and labels (N,) with the label not on top: tied with it, or behind."""
    k = subject.k
    logits, labels = design.points(k)
    rows = [_behind(logits[::5], labels[::5])]
    to = [labels[::5]]
    far_away, classes = torch.tensor(FAR).double(), torch.arange(k).double()
    lag, gap, label = torch.cartesian_prod(far_away, far_away, classes).unbind(1)
    label = label.long()
    far = -lag[:, None].repeat(1, k)
    far[torch.arange(len(far)), label] = -gap
    far[torch.arange(len(far)), (label + 1) % k] = 0
    rows.append(_behind(far, label))
    to.append(label)
    return torch.cat(rows), torch.cat(to)


def _behind(logits: Tensor, labels: Tensor) -> Tensor:
    """The scores with the label's lowered to that of its best rival, where it lies above."""
    own = torch.arange(logits.shape[1]) == labels[:, None]
    rival = logits.masked_fill(own, -torch.inf).amax(1, keepdim=True)
    return torch.where(own, torch.minimum(logits, rival), logits)


def _cheapest(
    subject: Subject, wrong: Tensor, labels: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, float]:
    """The wrong prediction that costs least: scores, label and value; by descent on its loss."""
    best = values.argsort()[:16]
    spread = values.argsort()[torch.linspace(0, len(values) - 1, 16).long()]
    chosen = torch.cat([best, spread])
    s, y = wrong[chosen], labels[chosen]
    least, at = values[chosen], s
    for step in torch.logspace(0.5, -3, 60):
        leaf = s.clone().requires_grad_()
        slope = slope_of(subject.values(_behind(leaf, y), y).sum(), leaf)
        size = slope.abs().amax(1, keepdim=True).clamp(min=1e-300)
        s = _behind(s - step * slope / size, y)
        value = inputs.nan_is_infinite(subject.values(s, y))
        at = torch.where((value < least)[:, None], s, at)
        least = torch.minimum(value, least)
    i = int(least.argmin())
    return at[i], y[i], least[i].item()


def _sandwich(subject: Subject) -> dict[str, Any]:
    k = subject.k
    margin = torch.linspace(-10, 10, 41, dtype=torch.float64)
    if k > 2:
        lags = torch.cartesian_prod(*[torch.tensor(LAGS).double()] * min(k - 2, 2))
        lags = lags.view(len(lags), -1)
        lags = torch.cat([lags, lags[:, -1:].expand(-1, k - 2 - lags.shape[1])], 1)
    else:
        lags = torch.zeros(1, 0, dtype=torch.float64)
    m = margin.repeat_interleave(len(lags))[:, None]
    rivals = -lags.repeat(len(margin), 1)
    ordered = torch.cat([m, torch.zeros_like(m), rivals], 1)
    values = torch.stack([
        subject.values(ordered.roll(y, 1), torch.full((len(ordered),), y)) for y in range(k)
    ])  # fmt: skip
    values = values.view(k, len(margin), len(lags))
    least, most = values.amin((0, 2)), values.amax((0, 2))
    above = {
        name: plain(torch.stack([(least - curve(margin)).min(), (most - curve(margin)).max()]))
        for name, curve in CURVES.items()
    }
    curves = {"margin": margin, "least": least, "most": most}
    return {"above": above} | {name: plain(values) for name, values in curves.items()}


def _tails(subject: Subject) -> dict[str, Any]:
    """What the loss of class 0 does as its score runs to both ends, the others being 0."""
    score = torch.linspace(-20, 20, 41, dtype=torch.float64)
    curve = {"score": plain(score), "loss": plain(_along(subject, score))}
    return _upwards(subject) | _downwards(subject) | curve


def _along(subject: Subject, score: Tensor) -> Tensor:
    logits = torch.zeros(len(score), subject.k, dtype=torch.float64)
    logits[:, 0] = score
    return subject.values(logits, torch.zeros(len(score), dtype=torch.int64))


def _upwards(subject: Subject) -> dict[str, Any]:
    fine = torch.linspace(-20, 40, 6001, dtype=torch.float64)
    values = _along(subject, fine)
    end, further = _along(subject, torch.tensor([1e4, 2e4]).double()).tolist()
    unit = inputs.unit(subject)
    if end - values.min().item() > 1e-6 * unit:
        at = fine[values.argmin()].item()
        slope = {"slope_up": plain((further - end) / 1e4)} if further > end else {}
        return {"up": "rises after its optimum", "optimum": plain(at), **slope}
    if abs(further - end) > 0.1 * abs(end) and abs(end) > unit:
        return {"up": "falls without end", "slope_up": plain((further - end) / 1e4)}
    try:
        return _settling(subject)
    except Unsupported:
        return {"up": "settles"}


def _settling(subject: Subject) -> dict[str, Any]:
    """How fast the loss nears its limit, from what is left of it at 50 digits."""

    def value(t: float) -> Any:
        return subject.at_50_digits([t, *[0.0] * (subject.k - 1)], 0)

    with mpmath.workdps(DIGITS):
        limit, unit = value(1e6), inputs.unit(subject)
        for t in REACHES:
            left = value(t) - limit
            if left > 1e-44 * unit:
                break
        # What decays is minute before it vanishes from sight; a hinge is not.
        if left <= 0 or (t < REACHES[0] and left > 1e-15 * unit):
            return {"up": "reaches its limit"}
        rest = [mpmath.log(value(part * t) - limit) for part in (0.5, 0.75, 1.0)]
        early, late = ((rest[i] - rest[i + 1]) / (t / 4) for i in (0, 1))
        if late > 0.8 * early:
            return {"up": "settles exponentially", "rate": plain(float(late))}
        power = (rest[0] - rest[2]) / mpmath.log(2)
        return {"up": "settles like a power", "power_up": plain(float(power))}


def _downwards(subject: Subject) -> dict[str, Any]:
    near, far = _along(subject, torch.tensor([-1e6, -2e6]).double()).tolist()
    if not math.isfinite(far):
        a, b = _along(subject, torch.tensor([-20.0, -30.0]).double()).tolist()
        return {"down": "exponential", "rate_down": plain(math.log(b / a) / 10)}
    growth = far - near
    if abs(growth) <= 1e-3 * (inputs.unit(subject) + abs(near)):
        return {"down": "bounded", "limit_down": plain(far)}
    power = math.log2(abs(far / near))
    if abs(power - 1) < 0.01:
        return {"down": "linear", "slope_down": plain(growth / -1e6)}
    return {"down": "power", "power_down": plain(power)}
