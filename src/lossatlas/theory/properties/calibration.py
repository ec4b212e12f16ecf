"""Classification calibration: does a small surrogate risk force the right decision?

Ties for the largest score count as wrong decisions, since a rule that breaks them has to err
somewhere. So the wrong scores for class j form the closed cone {s : s_j = max s}.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from lossatlas.theory.certificates import minimum_risk
from lossatlas.theory.checks import check
from lossatlas.theory.minimise import BOX, FREE, STARTS, Minima, minimise, scale
from lossatlas.theory.proof import unrefuted
from lossatlas.theory.risks import decisions, plain, readable, risk_terms, weighted
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding, Term, indicate, not_applicable

TIE = 1e-6  # risks closer than this, in units of the loss's scale, are equal
AHEAD = (0.1, 0.01, 0.001)  # leads of the right class that a tie is compared with
BOXES = (BOX, 10 * BOX, 100 * BOX)
MORE = 32  # starts of a search that a verdict hangs on
UNLIKE = "its parts are judged by different rules: no decision is the right one"


@dataclass(frozen=True)
class Search:
    """Least risks at P posteriors: over all scores, and where a wrong class has the largest.

    `q`, `meant` (P, k) and `right` (P,) are as `risks.decisions` gives them; `wrong` (P, k - 1)
    holds the other classes, `forced` and `forced_point` (P, k - 1[, k]) the minima with each of
    them on top.
    """

    q: Tensor
    meant: Tensor
    right: Tensor
    free: Minima
    wrong: Tensor
    forced: Tensor
    forced_point: Tensor

    @property
    def gaps(self) -> Tensor:
        """(P, k - 1) what each wrong decision costs: its least risk minus the least of all."""
        return self.forced - self.free.value[:, None]


@check(
    "logits",
    "Zhang, JMLR 2004; Bartlett, Jordan & McAuliffe 2006; Tewari & Bartlett 2007",
    reach=30,
)
def classification_calibrated(subject: Subject) -> Finding:
    """Wrong decisions cost risk: inf {R_q(s) : s_j = max s} > inf R_q unless j = argmax q.

    R_q(s) = sum_k q_k l(s, k); argmax q / prior for a loss that is judged by the balanced rule.
    Method: both infima by BFGS from many starts at 24 posteriors. Where they are equal at finite
    scores, a lead of the right class by 0.1, 0.01 and 0.001 must cost in proportion, that is at a
    kink, before the evidence is against it. Minima at infinity are pursued in growing boxes.
    """
    if subject.bayes_rule is None:
        return not_applicable(UNLIKE)
    return _judge(subject, searched(subject), "classification_calibrated")


@check(
    "logits",
    "Bartlett, Jordan & McAuliffe, JASA 2006, definition 2; Steinwart 2007",
    reach=30,
    classes=2,
)
def calibration_function(subject: Subject) -> Finding:
    """For two classes, psi(theta) = H^-((1+theta)/2) - H((1+theta)/2) > 0 for 0 < theta < 1.

    H(eta) is the least risk where a class has probability eta, H^- the least with the other on top
    or tied; of psi for either class, which differ where the loss knows the classes apart
    (`psi_by_class`), the smaller counts. psi, or its largest convex minorant where it is not
    convex, turns risks into decisions: psi(0-1 regret) <= surrogate regret. For the balanced rule
    eta is the posterior of balanced classes, and the risk is weighted with eta times prior,
    normalised.
    Method: as for calibration, at theta = 0.05, 0.1, ..., 0.95 in favour of each class; a proof of
    calibration is one here.
    """
    if subject.bayes_rule is None:
        return not_applicable(UNLIKE)
    if fault := subject.fault(2):
        reason = f"for two classes the code fails: {fault}"
        return Finding("inconclusive", "", reason=reason)
    two = subject.at(2)
    theta = torch.arange(1, 20, dtype=torch.float64) / 20
    first = torch.stack([(1 + theta) / 2, (1 - theta) / 2], 1)
    meant = torch.cat([first, first.flip(1)])
    done = search(two, weighted(two, meant), meant, meant.argmax(1))
    return _judge(two, done, "calibration_function")


def searched(subject: Subject) -> Search:
    """The minima at the posteriors of `decisions`, found once for all checks."""
    return subject.memo("searched", lambda: search(subject, *decisions(subject)))


def search(subject: Subject, q: Tensor, meant: Tensor, right: Tensor) -> Search:
    """All minima that a verdict on calibration needs, in one batch; free ones twice if in doubt."""
    p, k = q.shape
    others = torch.arange(k).expand(p, k)
    wrong = others[others != right[:, None]].view(p, k - 1)
    done = _search(subject, q, meant, right, wrong, BOX, None)
    doubtful = ~done.free.at_box & (done.gaps.amin(1) < -TIE * scale(subject))
    if doubtful.any():
        again = minimise(subject, q[doubtful], starts=MORE)
        better = again.value < done.free.value[doubtful]
        at = doubtful.nonzero().flatten()[better]
        done.free.value[at] = again.value[better]
        done.free.point[at] = again.point[better]
        done.free.at_box[at] = again.at_box[better]
    return done


def _search(
    subject: Subject, q: Tensor, meant: Tensor, right: Tensor, wrong: Tensor, box: float,
    warm: Tensor | None,
) -> Search:  # fmt: skip
    (p, k), m = q.shape, wrong.shape[1]
    every = minimise(
        subject,
        torch.cat([q, q.repeat_interleave(m, 0)]),
        torch.cat([torch.full((p,), FREE), wrong.flatten()]),
        box=box,
        starts=STARTS if warm is None else 4,
        warm=None if warm is None else torch.cat([warm, warm.repeat_interleave(m, 0)]),
    )
    return Search(
        q,
        meant,
        right,
        every.of(slice(p)),
        wrong,
        every.value[p:].view(p, m),
        every.point[p:].view(p, m, k),
    )


def _judge(subject: Subject, done: Search, prop: str) -> Finding:
    unit = scale(subject)
    gaps = done.gaps.amin(1)
    facts: dict[str, Any] = {
        "found": _curve(done) if prop == "calibration_function" else _regrets(done),
        "worst": -gaps.min().item() / unit, "tolerance": -TIE, "n": len(gaps),
    }  # fmt: skip
    method = f"least risks at {len(gaps)} posteriors, of all scores and with a wrong class on top"

    def unknown(reason: str) -> Finding:
        return Finding("inconclusive", method, reason=reason, **facts)

    if not (done.free.value.isfinite() & done.forced.isfinite().all(1)).all():
        return unknown("no finite risk was found at some posterior")
    finite = ~done.free.at_box
    failed = finite & (gaps < -TIE * unit)
    if failed.any():
        return unknown(
            f"at {int(failed.sum())} posteriors the least risk with a wrong class on top lies "
            f"below the least of all, by up to {-gaps[failed].min():.3g}: the minimiser failed"
        )
    equal = finite & (gaps <= TIE * unit)
    for i in equal.nonzero().flatten()[:6].tolist():
        if (finding := _kink(subject, done, i, method, facts)) is not None:
            return finding
    if equal.any():
        return unknown("scores with the right and with a wrong class on top reach the same risk")
    if done.free.at_box.any():
        cheapest = torch.where(finite, torch.inf, gaps).argmin()[None]
        some = torch.cat([done.free.at_box.nonzero().flatten()[:2], cheapest]).unique()
        finding, cost = _pursue(subject, done, some, method, facts)
        if finding is not None:
            return finding
        facts["worst"] = max([-cost / unit, *(-gaps[finite] / unit).tolist()])
    return unrefuted(subject, "classification_calibrated", method, **facts)


def _kink(
    subject: Subject, done: Search, i: int, method: str, facts: dict[str, Any]
) -> Finding | None:
    """Evidence against, if at posterior i each lead of the right class costs in proportion to it.

    Were the least risk at a tie an error of the minimiser, short leads would cost next to nothing.
    """
    q, right, j = done.q[i], int(done.right[i]), int(done.gaps[i].argmin())
    other, tied, least = int(done.wrong[i, j]), done.forced_point[i, j], done.forced[i, j]
    n, ahead = len(AHEAD), torch.tensor(AHEAD, dtype=q.dtype)
    led = minimise(
        subject, q.repeat(n, 1), torch.full((n,), right), ahead, starts=MORE,
        warm=tied.repeat(n, 1, 1),
    )  # fmt: skip
    rate = (led.value - least) / ahead
    if not (rate > TIE * scale(subject)).all() or not (rate[1:] > 0.5 * rate[:-1]).all():
        return None
    best = readable(subject, q, led.point[0], 1e-3 * (led.value - least)[0].item())

    def terms(s: Tensor) -> list[Term]:
        s = torch.where(torch.arange(len(s)) == other, s.max(), s)
        return risk_terms(1.0, q, best) + risk_terms(-1.0, q, s)

    says = (
        f"at posterior {plain(q)} the least risk found with class {right} ahead by {AHEAD[0]:g} "
        f"exceeds that of scores with class {other} on top, and shorter leads cost in proportion"
    )
    exact = minimum_risk(subject, q, None), minimum_risk(subject, q, other)
    if exact[0] and exact[1]:
        if exact[1][0] - exact[0][0] > 10 * TIE * scale(subject):
            return None
        method += (
            f"; by DCP the least is {exact[0][0]:.6g}, with class {other} on top {exact[1][0]:.6g}"
        )
    return indicate(subject, says, terms, tied, method=method, **facts)


def _pursue(
    subject: Subject, done: Search, rows: Tensor, method: str, facts: dict[str, Any]
) -> tuple[Finding | None, float]:
    """What becomes of minima at infinity, at the posteriors of index `rows`, in growing boxes.

    Evidence against, if the cost of a wrong decision falls at least fivefold a box, so towards
    zero, while a wrong score in the largest box has less risk than all right ones in the smallest.
    Else None, and the least cost of a wrong decision in the largest box.
    """
    unit = scale(subject)
    step = Search(
        done.q[rows], done.meant[rows], done.right[rows],
        done.free.of(rows), done.wrong[rows], done.forced[rows], done.forced_point[rows],
    )  # fmt: skip
    least, costs = [step.free.value], [step.gaps.amin(1)]
    for near, box in pairwise(BOXES):
        points = torch.cat([step.free.point[:, None], step.forced_point], 1)
        pushed = torch.where(points.abs() > 0.9 * near, 0.99 * box * points.sign(), points)
        step = _search(subject, *(step.q, step.meant, step.right, step.wrong), box, pushed)
        least.append(step.free.value)
        costs.append(step.gaps.amin(1))
    fall = torch.stack([least[0] - least[1], least[1] - least[2]])
    if (fall[1] > 3 * fall[0].clamp(min=1e-3 * unit)).any():
        reason = "the risk has no lower bound: the verdict depends on which scores are allowed"
        return Finding("inconclusive", method, reason=reason, **facts), 0.0
    vanishing = costs[0] > 10 * TIE * unit
    for before, after in pairwise(costs):
        vanishing &= after <= (before / 5).clamp(min=TIE * unit)
    if not vanishing.any():
        return None, costs[-1].min().item()
    led = minimise(subject, step.q, step.right, AHEAD[0], starts=MORE)
    wrong, j = step.forced.min(1)
    saved = torch.where(vanishing, led.value - wrong, -torch.inf)
    i = int(saved.argmax())
    if saved[i] <= TIE * unit:
        reason = f"ties at the edge of every box up to |s| = {BOXES[-1]:g}"
        return Finding("inconclusive", method, reason=reason, **facts), 0.0
    q, other, right = step.q[i], int(step.wrong[i, j[i]]), int(step.right[i])
    best = readable(subject, q, led.point[i], 1e-3 * saved[i].item())

    def terms(s: Tensor) -> list[Term]:
        s = torch.where(torch.arange(len(s)) == other, s.max(), s)
        return risk_terms(1.0, q, best) + risk_terms(-1.0, q, s)

    trend = ", ".join(f"{cost[i]:.2g}" for cost in costs)
    says = (
        f"at posterior {plain(q)} the least risk found with class {right} ahead, |s| <= {BOX:g}, "
        f"exceeds that of larger scores with class {other} on top; what this costs falls with the "
        f"box: {trend}"
    )
    wrong_point = step.forced_point[i, j[i]]
    return indicate(subject, says, terms, wrong_point, method=method, **facts), 0.0


def _curve(done: Search) -> dict[str, Any]:
    psi = done.gaps[:, 0].view(2, -1)
    theta = (done.meant[:, 0] - done.meant[:, 1]).view(2, -1)[0]
    curve = {"theta": plain(theta), "psi": plain(psi.amin(0))}
    alike = torch.allclose(psi[0], psi[1], rtol=1e-3, atol=1e-6 * psi.abs().max().item())
    return curve if alike else curve | {"psi_by_class": plain(psi)}


def _regrets(done: Search) -> dict[str, Any]:
    """Shares of the posteriors, and the lower envelope of surrogate regret over 0-1 regret."""
    top = done.free.point.topk(2, 1)
    spread = done.free.point.amax(1) - done.free.point.amin(1)
    tie = top.values[:, 0] - top.values[:, 1] <= (1e-5 * spread).clamp(min=1e-6)
    correct = (top.indices[:, 0] == done.right) & ~tie
    best = done.meant.gather(1, done.right[:, None])
    regret = (best - done.meant.gather(1, done.wrong)).flatten()
    order = regret.argsort(descending=True)
    lowest = done.gaps.flatten()[order].cummin(0).values.clamp(min=0)
    kept = torch.cat([lowest[:-1] != lowest[1:], torch.tensor([True])])  # the far end of each step
    at, regret = lowest[kept].flip(0)[:60], regret[order][kept].flip(0)[:60]
    return {
        "posteriors": len(done.q),
        "right": plain(correct.double().mean()),
        "tied": plain(tie.double().mean()),
        "at_box": plain(done.free.at_box.double().mean()),
        "zero_one_regret": plain(regret),
        "surrogate_regret": plain(at),
    }
