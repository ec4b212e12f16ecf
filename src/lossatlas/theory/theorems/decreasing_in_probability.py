"""l = phi(p_y) with phi' < 0: exchanging two classes shows it calibrated."""

import torch

from lossatlas.theory import agreement
from lossatlas.theory.curves import tied, weights
from lossatlas.theory.minimise import scale
from lossatlas.theory.proof import HAND, NEVER, theorem
from lossatlas.theory.subject import Subject


@theorem(HAND, "classification_calibrated", "probability_only")
def decreasing_in_probability(subject: Subject) -> float:
    """How far l(s, y) is from phi(p_y) with phi' < 0 and phi(1) finite.

    The risk is a function of p on the closed simplex, and least somewhere in the closed set where
    a class j is on top. There p_j >= 1/k. If class b with q_b > q_j has p_b < p_j, swapping the two
    lowers the risk; if p_b = p_j, moving mass from j to b does, at rate -(q_b - q_j) phi'(p_j).
    """
    if (subject.prior != 1).any() or subject.class_counts:
        return NEVER
    logits = agreement.points(subject.k)
    labels = torch.arange(len(logits)) % subject.k
    zeros = torch.zeros_like(labels)
    here = subject.values(logits, labels).detach()
    there = subject.values(tied(logits, labels), zeros).detach()
    change = agreement.apart(subject, logits, here, there).max().item()
    far = torch.zeros(2, subject.k, dtype=torch.float64)
    far[:, 0] = torch.tensor([40.0, 400.0], dtype=far.dtype)
    end = subject.values(far, zeros[:2])
    bounded = end.isfinite().all() and (end[0] - end[1]).abs() <= 1e-6 * scale(subject)
    return change if bounded and _falls(subject) else NEVER


def _falls(subject: Subject) -> bool:
    """Whether the loss falls as p_y rises: no slope is wrong, and none is cut off.

    A slope that float64 holds for zero must have vanished by degrees: what is lost all at once is
    lost to a clamp. Between the slopes values at 100,000 steps tell, so that a bump or a level
    stretch of 1e-3 in p_y is seen.
    """
    if not (weights(subject).to_numpy() > 0).all() or not _rises_in_small_steps(subject):
        return False
    lag = torch.cat([torch.arange(0, 1000, 2.5), torch.logspace(3, 6, 40)]).double()
    logits = torch.zeros(len(lag), subject.k, dtype=torch.float64)
    logits[:, 0] = -lag
    pull = -subject.gradient(logits, torch.zeros(len(lag), dtype=torch.int64))[:, 0]
    top = pull.amax()
    abrupt = (pull[1:] <= 0) & (pull[:-1] > 1e-12 * top)
    return bool((pull >= 0).all() and not abrupt.any())


def _rises_in_small_steps(subject: Subject) -> bool:
    """Whether the loss rises all the way as the label's score falls from 40 to -40."""
    logits = torch.zeros(100_000, subject.k, dtype=torch.float64)
    logits[:, 0] = torch.linspace(40, -40, len(logits), dtype=torch.float64)
    with torch.no_grad():
        values = subject.values(logits, torch.zeros(len(logits), dtype=torch.int64))
    rise, rounding = values.diff(), 2.0**-48 * values[1:].abs().clamp(min=scale(subject))
    clear = (rise > 100 * rounding).nonzero().flatten()
    if not values.isfinite().all() or len(clear) == 0:
        return False
    middle = slice(int(clear[0]), int(clear[-1]))  # outside it steps may be lost to rounding
    return bool((rise >= -rounding).all() and (rise[middle] > 0).all())
