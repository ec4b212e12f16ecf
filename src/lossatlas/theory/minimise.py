"""Minima of conditional risks sum_k q_k l(s, k) over scores in a box, many problems at once.

All of calibration, properness and noise is about these minima. The problems have few variables, so
each gets its own BFGS with the line search of Lewis & Overton (2013, weak Wolfe conditions), which
also converges at the kinks of hinges, and all of them share each evaluation of the loss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lossatlas.theory import design
from lossatlas.theory.subject import Subject, slope_of

BOX = 30.0  # scores beyond this differ by more than softmax can tell in float64
STARTS = 9
FREE = -1  # no class has to lead
STEPS = 50  # of BFGS, at most
SEARCH = 12  # evaluations a step, at most
FLAT = 1e-8  # a gradient that small, relative to the loss's scale, is zero

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Minima:
    """The best minima found of P problems.

    Attributes:
        value: (P,) the risks, infinite where every start failed.
        point: (P, k) scores that attain them.
        at_box: (P,) whether a score has run to the edge of the box: a minimum at infinity.
        reached: (P,) share of the starts that ended at the same risk.
    """

    value: Tensor
    point: Tensor
    at_box: Tensor
    reached: Tensor

    def of(self, problems: Tensor | slice) -> "Minima":
        """The minima of some of the problems."""
        parts = (self.value, self.point, self.at_box, self.reached)
        return Minima(*(part[problems] for part in parts))


def minimise(
    subject: Subject,
    q: Tensor,
    lead: Tensor | None = None,
    ahead: Tensor | float = 0.0,
    box: float = BOX,
    starts: int = STARTS,
    warm: Tensor | None = None,
) -> Minima:
    """Minimise sum_k q_k l(s, k) over s in [-box, box]^k, for each row of q.

    Args:
        q: label probabilities (P, k).
        lead: (P,) the class whose score no other may exceed, or FREE; None means all free.
        ahead: how far that class has to be ahead of all others, one number or (P,).
        starts: how many starts; zero, log q and one-hot scores come first, then random ones.
        warm: (P, W, k) scores to start from in addition.
    """
    p, k = q.shape
    lead = torch.full((p,), FREE) if lead is None else lead
    points = _starts(q, starts)
    if warm is not None:
        points = torch.cat([points, warm], 1)
    n = points.shape[1]
    rows_q, rows_lead = q.repeat_interleave(n, 0), lead.repeat_interleave(n)
    distance = torch.as_tensor(ahead, dtype=q.dtype).expand(p).repeat_interleave(n)[:, None]
    held = (rows_lead >= 0)[:, None]
    is_lead = torch.arange(k) == rows_lead[:, None]
    place = _Cone(held, is_lead, distance, box)
    start = place.variables(points.reshape(-1, k))

    def objective(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        leaf = x.detach().requires_grad_()
        value = subject.risk(place.scores(leaf, rows), rows_q[rows])
        return value.detach(), slope_of(value.sum(), leaf)

    x, value = bfgs(objective, start, scale(subject))
    value = value.nan_to_num(nan=torch.inf).view(p, n)
    best = value.argmin(1)
    lowest = value.gather(1, best[:, None])
    point = place.scores(x, torch.arange(p * n)).view(p, n, k)[torch.arange(p), best]
    same = value <= lowest + 1e-6 * scale(subject)
    edge = (point.abs() > 0.9 * box).any(1)
    return Minima(lowest.squeeze(1), point, edge, same.double().mean(1))


@dataclass(frozen=True)
class _Cone:
    """Scores in the box as functions of unbounded variables, row by row (N rows).

    Free scores are box tanh(x / box). A leader is that of its own range; the others lie between
    the bottom of the box and `distance` below it, and touch that for x = 0, near which they lag
    by x^2 more.
    """

    held: Tensor
    is_lead: Tensor
    distance: Tensor
    box: float

    def scores(self, x: Tensor, rows: Tensor) -> Tensor:
        mine, distance = self.is_lead[rows], self.distance[rows]
        half = self.box - distance / 2
        leader = distance / 2 + half * torch.tanh((x * mine).sum(1, keepdim=True) / half)
        room = leader - distance + self.box
        ordered = torch.where(mine, leader, room * torch.exp(-x.square() / room) - self.box)
        return torch.where(self.held[rows], ordered, self.box * torch.tanh(x / self.box))

    def variables(self, s: Tensor) -> Tensor:
        """Variables near those of scores s (N, k), lifted into the cone."""
        half = self.box - self.distance / 2
        top = (s.amax(1, keepdim=True) - self.distance / 2).clamp(-0.99 * half, 0.999 * half)
        room = top + half
        # Lagging by nothing has slope zero, a saddle that no descent leaves.
        share = ((s + self.box) / room).clamp(1e-3, 0.999)
        ordered = torch.where(
            self.is_lead, half * torch.atanh(top / half), (-room * share.log()).sqrt()
        )
        return torch.where(
            self.held, ordered, self.box * torch.atanh((s / self.box).clamp(-0.999, 0.999))
        )


def scale(subject: Subject) -> float:
    """How much the loss varies at scores of size one: the unit of every tolerance on risks."""

    def compute() -> float:
        g = design.generator()
        s = torch.randn(200, subject.k, generator=g, dtype=torch.float64)
        values = subject.table(s).detach()
        size = values.abs().max().item()  # squares of what is tiny or huge are 0 or infinite
        spread = size * (values / size).std().item() if size else 0.0
        return spread if 0 < spread < float("inf") else 1.0

    return subject.memo("scale", compute)


def bfgs(objective: Objective, start: Tensor, unit: float = 1.0) -> tuple[Tensor, Tensor]:
    """Local minima of N functions of d variables: points (N, d) and values (N,).

    `objective(x, rows)` gives values (M,) and gradients (M, d) of the functions of index `rows`
    (M,) at x (M, d). A row ends when its gradient vanishes relative to `unit`, or when the line
    search finds nothing lower.
    """
    n, d = start.shape
    x = start.clone()
    value, gradient = objective(x, torch.arange(n))
    rows = torch.arange(n)[_finite(value, gradient)]
    inverse = torch.eye(d, dtype=x.dtype).repeat(n, 1, 1)
    fresh = torch.ones(n, dtype=torch.bool)
    idle = torch.zeros(n, dtype=torch.int64)
    for _ in range(STEPS):
        rows = rows[gradient[rows].abs().amax(1) > FLAT * unit]
        if len(rows) == 0:
            break
        step = -(inverse[rows] @ gradient[rows, :, None]).squeeze(2)
        slope = (step * gradient[rows]).sum(1)
        uphill = slope >= 0
        step[uphill] = -gradient[rows[uphill]]
        inverse[rows[uphill]] = torch.eye(d, dtype=x.dtype)
        first = fresh[rows] | uphill
        step[first] /= step[first].norm(dim=1, keepdim=True).clamp(min=1e-300)
        slope = (step * gradient[rows]).sum(1)
        t, new_value, new_gradient = _search(objective, x[rows], rows, step, value[rows], slope)
        moved = t[:, None] * step
        change = new_gradient - gradient[rows]
        fell = value[rows] - new_value
        x[rows] += moved
        value[rows], gradient[rows] = new_value, new_gradient
        inverse[rows] = _update(inverse[rows], moved, change, fresh[rows])
        fresh[rows] = False
        # Nothing gained twice in a row: at a kink the gradient does not vanish.
        idle[rows] = torch.where(fell > 1e-9 * unit, 0, idle[rows] + 1)
        rows = rows[(t > 0) & (idle[rows] < 2)]
    return x, value


def _search(
    objective: Objective, x: Tensor, rows: Tensor, step: Tensor, value: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Lengths t (M,) of steps that satisfy the weak Wolfe conditions, values, gradients there.

    Where SEARCH halvings and doublings find none, the lowest point seen; t = 0 if none was lower.
    """
    m = len(x)
    t, low, high = x.new_ones(m), x.new_zeros(m), x.new_full((m,), torch.inf)
    best_t, best_value = x.new_zeros(m), value.clone()
    best_gradient = torch.zeros_like(x)
    todo = torch.arange(m)
    for _ in range(SEARCH):
        at, gradient = objective(x[todo] + t[todo, None] * step[todo], rows[todo])
        fine = _finite(at, gradient)
        lower = fine & (at < best_value[todo])
        kept = todo[lower]
        best_t[kept], best_value[kept] = t[kept], at[lower]
        best_gradient[kept] = gradient[lower]
        far = ~fine | ~(at <= value[todo] + 1e-4 * t[todo] * slope[todo])
        short = ~far & ((gradient * step[todo]).sum(1) < 0.9 * slope[todo])
        done = ~far & ~short
        taken = todo[done]
        best_t[taken], best_value[taken] = t[taken], at[done]
        best_gradient[taken] = gradient[done]
        high[todo[far]] = t[todo[far]]
        low[todo[short]] = t[todo[short]]
        todo = todo[~done]
        if len(todo) == 0:
            break
        bounded = high[todo].isfinite()
        t[todo] = torch.where(bounded, (low[todo] + high[todo]) / 2, 2 * low[todo])
    return best_t, best_value, best_gradient


def _update(inverse: Tensor, moved: Tensor, change: Tensor, fresh: Tensor) -> Tensor:
    """The BFGS update of inverse Hessians (M, d, d); unchanged where the curvature is not > 0."""
    curvature = (moved * change).sum(1)
    good = curvature > 1e-300
    size = change.square().sum(1)
    first = (fresh & good)[:, None, None]
    eye = torch.eye(moved.shape[1], dtype=moved.dtype)
    scaled = (curvature / size.clamp(min=1e-300))[:, None, None] * eye
    inverse = torch.where(first, scaled, inverse)
    rho = 1 / torch.where(good, curvature, 1.0)
    left = eye - rho[:, None, None] * moved[:, :, None] * change[:, None, :]
    updated = left @ inverse @ left.mT + rho[:, None, None] * moved[:, :, None] * moved[:, None, :]
    usable = good & updated.isfinite().all(2).all(1)
    return torch.where(usable[:, None, None], updated, inverse)


def _finite(value: Tensor, gradient: Tensor) -> Tensor:
    return value.isfinite() & gradient.isfinite().all(1)


def _starts(q: Tensor, n: int) -> Tensor:
    """Scores (P, n, k): near zero, log q, one-hot at the two likeliest classes and at the least
    likely one (negative), then normal ones at scales 1 to 10."""
    p, k = q.shape
    g = design.generator()
    noise = torch.randn(p, n, k, generator=g, dtype=q.dtype)
    order = q.argsort(1, descending=True)
    eye = torch.eye(k, dtype=q.dtype)
    log_q = q.clamp(min=1e-12).log()
    made = [
        0.01 * noise[:, 0],
        log_q - log_q.mean(1, keepdim=True),
        4 * eye[order[:, 0]],
        4 * eye[order[:, 1]],
        -8 * eye[order[:, -1]],
        20 * eye[order[:, 0]] - 5 * eye[order[:, -1]],
    ]
    scales = torch.tensor([1.0, 3.0, 10.0], dtype=q.dtype)
    random = noise * scales[torch.arange(n) % 3, None]
    return torch.cat([torch.stack(made, 1), random], 1)[:, :n]
