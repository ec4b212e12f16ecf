"""Losses of the label's probability alone, and how strongly they pull relative to cross-entropy."""

from typing import Any

import torch
from torch import Tensor

from lossatlas.cards import Hyperparameter
from lossatlas.intervals import Interval
from lossatlas.losses.examples import ready
from lossatlas.theory import design
from lossatlas.theory.checks import check
from lossatlas.theory.curves import GRID, tied, weights
from lossatlas.theory.minimise import scale
from lossatlas.theory.proof import unrefuted
from lossatlas.theory.risks import plain
from lossatlas.theory.subject import Subject
from lossatlas.theory.verdict import Finding, Term, refute, signed

TOLERANCE = 1e-9  # relative to the value, or to the loss's scale if that is larger
TABLE = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)


@check("logits", "Zhang & Sabuncu, NeurIPS 2018 (gradient weights); stationarity by hand", reach=70)
def probability_only(subject: Subject) -> Finding:
    """The loss is a function of the label's probability: l(s, y) = phi(p_y), p = softmax(s).

    Then grad l = w(p_y) grad CE with w(p) = -p phi'(p), so that this one curve is the whole loss.
    Found for every loss: w = -(dl/ds_y) / (1 - p_y) where the k - 1 other scores tie, whether it
    is monotone, and what a larger value of each hyperparameter does to it.
    Method: the loss at random, tied and marginal scores, against scores of label 0 with the same
    probability where all others tie.
    """
    logits, labels = design.points(subject.k)
    usable = logits.abs().amax(1) <= 40
    logits, labels = logits[usable][::7], labels[usable][::7]
    zeros = torch.zeros_like(labels)
    here, there = subject.values(logits, labels), subject.values(tied(logits, labels), zeros)
    size = torch.maximum(here.abs(), there.abs()).clamp(min=scale(subject))
    change = torch.nan_to_num(((here - there).abs() / size).detach(), nan=torch.inf)
    i = int(change.argmax())
    facts: dict[str, Any] = {
        "found": _curve(subject), "worst": change[i].item(), "tolerance": TOLERANCE,
        "n": len(labels),
    }  # fmt: skip
    method = "values at pairs of scores with the same probability of the label"
    if change[i] <= TOLERANCE:
        return unrefuted(subject, "probability_only", method, **facts)
    label = int(labels[i])

    def terms(s: Tensor) -> list[Term]:
        same = tied(s[None], labels[i : i + 1])[0]
        return signed(subject, [Term(1.0, s.tolist(), label), Term(-1.0, same.tolist(), 0)])

    says = "two vectors of scores give their labels the same probability, but not the same loss"
    return refute(subject, says, terms, logits[i], method=method, **facts)


def _curve(subject: Subject) -> dict[str, Any]:
    table, dense = weights(subject, TABLE), weights(subject)
    found: dict[str, Any] = {"p": list(TABLE), "curve_p": plain(list(GRID))}
    for column in dense:
        which = "" if len(dense.columns) == 1 else f"_{column.replace(' ', '_')}"
        curve = torch.tensor(dense[column].to_numpy()) + 0.0  # no negative zeros
        found[f"w{which}"] = plain((table[column] + 0.0).tolist())
        found[f"curve_w{which}"] = plain(curve)
        found[f"shape{which}"] = _shape(curve)
    if subject.card and subject.loss:
        known = subject.card.hyperparameters
        found["larger_hyperparameter"] = {
            name: _effect(subject, name, facts, dense.iloc[:, 0].to_numpy())
            for name, facts in known.items()
        }
    return found


def _shape(w: Tensor) -> str:
    """Where the weight rises, falls or is negative, in words."""
    step = w.diff()
    small = 1e-6 * w.abs().max()
    if (step.abs() <= small).all():
        words = "constant"
    elif (step >= -small).all():
        words = "rises with p"
    elif (step <= small).all():
        words = "falls with p"
    else:
        words = f"largest at p = {GRID[int(w.argmax())]:.2g}"
    negative = w < -small
    if negative.any():
        words += f", negative from p = {GRID[int(negative.double().argmax())]:.2g}"
    return words


def _effect(subject: Subject, name: str, facts: Hyperparameter, before: Any) -> str:
    """What a value about a tenth larger does to the weight curve, in words."""
    legal = Interval.parse(facts.range)
    for value in (facts.default + 0.1 * max(abs(facts.default), 0.1), facts.default + 1):
        if value not in legal:
            continue
        try:
            loss = ready(subject.name, subject.k, "none", **{name: value})
        except ValueError:  # a whole number, perhaps
            continue
        loss.provide(class_counts=subject.class_counts)
        changed = Subject(subject.name, loss, subject.target, subject.k, subject.class_counts)
        after = weights(changed).iloc[:, 0].to_numpy()
        return _words(torch.tensor(after - before), torch.tensor(before).abs().max().item())
    return "no larger value is legal"


def _words(change: Tensor, size: float) -> str:
    signs = torch.where(change.abs() <= 1e-9 * size, 0.0, change.sign())
    points = signs.nonzero().flatten()
    if len(points) == 0:
        return "leaves w as it is"
    verbs = {1.0: "raises w", -1.0: "lowers w"}
    words, last = "", 0.0
    for i in points.tolist():
        now = float(signs[i])
        if now != last:
            words += f" to p = {GRID[i]:.2g}, then {verbs[now]}" if last else verbs[now]
            last = now
    return words
